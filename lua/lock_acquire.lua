-- Takes a lock unless another holds it, with a token that is larger than every one before.
-- OWN KEYS: lock fence
-- ARGV: value ttl_ms
-- returns: {OK, token} | {HELD, left_ms}; left_ms -1: the holder's key has no time limit
--
-- A holder that asks again, since its answer was lost, is given the lock anew.
-- include: clock fence

local holder = redis.call('GET', lock)
if holder and holder ~= value then return {HELD, redis.call('PTTL', lock)} end
local token = math.max(read_fence() + 1, now)
redis.call('SET', lock, value, 'PX', ttl_ms)
write_fence(token)
return {OK, text(token)}
