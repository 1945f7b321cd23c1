-- Gives a lock up, if it is still the caller's.
-- OWN KEYS: lock
-- ARGV: value
-- returns: {OK} | {LOST}

if redis.call('GET', lock) ~= value then return {LOST} end
redis.call('DEL', lock)
return {OK}
