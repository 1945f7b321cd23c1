-- Looks whether tasks are in exactly one state, all at one instant, and mends them if asked.
-- KEYS: body due leased dead tries meta wake
-- ARGV: partitions repair
-- then: id, a task each
-- returns: {OK, fault…} | {STALE}; a word for each id: '' sound, unplaced (a record in no state),
-- bodiless (a state without a record), doubled (in several states), tries (failures of no task)
--
-- Mending loses no task: unplaced ones become ready, doubled ones stay leased, or else dead.
-- include: clock marker announce

local m = redis.call('HMGET', meta, 'partitions', 'armed_at', 'armed_until')
if m[1] ~= partitions then return {STALE} end

local function fault_of(id)
  local record = redis.call('HEXISTS', body, id) == 1
  local places = 0
  for _, key in ipairs({due, leased, dead}) do
    if redis.call('ZSCORE', key, id) then places = places + 1 end
  end
  if record and places == 1 then return '' end
  if record then return places == 0 and 'unplaced' or 'doubled' end
  if places > 0 then return 'bodiless' end
  return redis.call('HEXISTS', tries, id) == 1 and 'tries' or ''
end

local mend = {}

function mend.unplaced(id)
  redis.call('ZADD', due, text(now), id)
  announce(now, m[2], m[3])
end

function mend.bodiless(id)
  for _, key in ipairs({due, leased, dead}) do redis.call('ZREM', key, id) end
  redis.call('HDEL', tries, id)
end

function mend.doubled(id)
  if redis.call('ZSCORE', leased, id) then redis.call('ZREM', dead, id) end
  redis.call('ZREM', due, id)
end

function mend.tries(id)
  redis.call('HDEL', tries, id)
end

local answer = {OK}
for i = ARGS + 1, #ARGV do
  local fault = fault_of(ARGV[i])
  answer[#answer + 1] = fault
  if fault ~= '' and repair == '1' then mend[fault](ARGV[i]) end
end
return answer
