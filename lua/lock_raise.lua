-- Has a server learn the token that a holder was given by several: no later one is smaller. Only
-- while the lock is the caller's here, so that whoever gets it next reads this token.
-- OWN KEYS: lock fence
-- ARGV: value token
-- returns: {OK} | {LOST}
-- include: fence

if redis.call('GET', lock) ~= value then return {LOST} end
if read_fence() < tonumber(token) then write_fence(tonumber(token)) end
return {OK}
