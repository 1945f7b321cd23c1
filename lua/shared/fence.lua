-- The last token given with a lock: max(last + 1, the clock's µs), so that it also grows when the
-- clock was put back, or the counter was lost. It may go once the clock is past it by a day: all
-- that are given from then on are larger.
local FENCE_KEPT_MS = 86400000

local function read_fence()
  return tonumber(redis.call('GET', fence)) or 0
end

local function write_fence(token)
  redis.call('SET', fence, text(token), 'PXAT', text(math.floor(token / 1000) + FENCE_KEPT_MS))
end
