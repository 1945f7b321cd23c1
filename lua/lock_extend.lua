-- Makes a lock end ttl_ms from now, if it is still the caller's.
-- OWN KEYS: lock
-- ARGV: value ttl_ms
-- returns: {OK} | {LOST}

if redis.call('GET', lock) ~= value then return {LOST} end
redis.call('PEXPIRE', lock, ttl_ms)
return {OK}
