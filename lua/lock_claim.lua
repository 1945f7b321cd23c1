-- Takes a lock unless another holds it, and no token: for where the counter is out of reach for now
-- (in a cluster, while the slot is being moved). lock_count gives one; the lock is only the caller's
-- with it if lock_extend still says OK after that.
-- OWN KEYS: lock
-- ARGV: value ttl_ms
-- returns: {OK} | {HELD, left_ms}; left_ms -1: the holder's key has no time limit

local holder = redis.call('GET', lock)
if holder and holder ~= value then return {HELD, redis.call('PTTL', lock)} end
redis.call('SET', lock, value, 'PX', ttl_ms)
return {OK}
