-- Drops dead tasks for good.
local function forget_dead(ids)
  if #ids == 0 then return end
  redis.call('HDEL', tries, unpack(ids))
  local dropped = redis.call('HDEL', body, unpack(ids))
  redis.call('ZREM', dead, unpack(ids))
  redis.call('HINCRBY', meta, 'dropped', dropped)
end
