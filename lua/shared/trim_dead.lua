-- Keeps the dead within their number and their age; at most 100 a call: the cost is bounded.
local function trim_dead(dead_max, dead_age_ms, partitions_count)
  local share = math.ceil((tonumber(dead_max) or 10000) / partitions_count)
  local over = redis.call('ZCARD', dead) - 1 - share
  if over > 0 then forget_dead(redis.call('ZRANGE', dead, 0, math.min(over, 100) - 1)) end
  local age_ms = tonumber(dead_age_ms) or 0
  if age_ms > 0 then
    local before = text(now - age_ms * 1000)
    forget_dead(redis.call('ZRANGEBYSCORE', dead, '-inf', before, 'LIMIT', 0, 100))
  end
end
