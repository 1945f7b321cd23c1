-- Who holds a lock, without its token: for where the counter is out of reach for now (lock_claim).
-- OWN KEYS: lock
-- ARGV:
-- returns: {OK, value, left_ms} | {MISSING}; left_ms -1: no time limit

local holder = redis.call('GET', lock)
if not holder then return {MISSING} end
return {OK, holder, redis.call('PTTL', lock)}
