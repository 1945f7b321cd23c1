-- Changes and reads a partition's settings; also pauses it and lets it go on.
-- KEYS: meta wake
-- ARGV: partitions
-- then: field value, for each setting to change
-- returns: {OK, max_attempts, lease_ms, payload_max, dead_max, dead_age_ms, retention_ms} | {STALE}
-- include: marker

if redis.call('HGET', meta, 'partitions') ~= partitions then return {STALE} end
if #ARGV > ARGS then
  redis.call('HDEL', meta, '') -- a first write that needs no memory: a full server can be paused
  redis.call('HSET', meta, unpack(ARGV, ARGS + 1, #ARGV))
  leave_marker() -- whoever sleeps is to look at the queue as it is now
end
return {
  OK,
  unpack(redis.call('HMGET', meta, 'max_attempts', 'lease_ms', 'payload_max', 'dead_max',
    'dead_age_ms', 'retention_ms')),
}
