-- Gives a token that is larger than every one before, and no less than the floor; whose it is the
-- caller knows (lock_claim).
-- OWN KEYS: fence
-- ARGV: floor
-- returns: {OK, token}
-- include: clock fence

local token = math.max(read_fence() + 1, now, tonumber(floor))
write_fence(token)
return {OK, text(token)}
