-- Who holds a lock.
-- OWN KEYS: lock fence
-- ARGV:
-- returns: {OK, value, left_ms, token} | {MISSING}; left_ms -1: no time limit; token 0: none is known

local holder = redis.call('GET', lock)
if not holder then return {MISSING} end
return {OK, holder, redis.call('PTTL', lock), redis.call('GET', fence) or '0'}
