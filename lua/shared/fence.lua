-- The last token given with a lock: max(last + 1, the clock's µs), so that it also grows when the
-- clock was put back, or the counter was lost. It may go once the clock is past it by a day: all
-- that are given from then on are larger.
local FENCE_KEPT_MS = 86400000

local function read_fence()
  return tonumber(redis.call('GET', fence)) or 0
end

local function write_fence(number)
  local until_ms = math.floor(number / 1000) + FENCE_KEPT_MS
  redis.call('SET', fence, string.format('%.0f', number), 'PXAT', string.format('%.0f', until_ms))
end
