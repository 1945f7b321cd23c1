-- Makes one partition of a queue, or leaves it as it is when it stands already.
-- KEYS: due leased body tries dead gone meta wake
-- ARGV: partitions max_attempts lease_ms payload_max dead_max dead_age_ms retention_ms
-- returns: {OK} | {EXISTS} | {STATE, partitions} when it stands with another number of partitions
-- include: sentinel_text sentinel marker types

local has = redis.call('HGET', meta, 'partitions')
if has then
  if has ~= partitions then return {STATE, has} end
  return {EXISTS}
end
check_types({due, leased, dead, gone}, {body, tries})
add_sentinels()
-- Tasks without settings: the settings were lost. What is there counts as pushed, and may be as
-- large as is allowed.
local tasks = redis.call('HLEN', body) - 1
if tasks > 0 then redis.call('HSET', meta, 'pushed', tasks, 'record_max', payload_max) end
redis.call('HSET', meta, SENTINEL, '', 'partitions', partitions, 'max_attempts', max_attempts,
  'lease_ms', lease_ms, 'payload_max', payload_max, 'dead_max', dead_max,
  'dead_age_ms', dead_age_ms, 'retention_ms', retention_ms)
leave_marker() -- for workers who came before the queue did
return {OK}
