-- Whether a lease's time is not over. A batch's leases mostly end together: the last is remembered.
local last_score, last_alive

local function alive(score)
  if score ~= last_score then last_score, last_alive = score, tonumber(score) > now end
  return last_alive
end

-- Whether a receipt's lease still stands, given the task's score among the leased (false: none).
-- Equal scores: yes, and nothing more is read. Else it may have been extended.
local function held(id, receipt, score)
  if not score or not alive(score) then return false end
  if score == receipt then return true end
  local _, lease, extended = read_tries(redis.call('HGET', tries, id))
  return lease == receipt and extended == score
end
