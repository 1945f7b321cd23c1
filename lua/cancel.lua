-- Removes tasks in whatever state they are.
-- KEYS: body due leased dead tries meta
-- ARGV: partitions
-- then: id, a task each
-- returns: {OK} | {MISSING, outcome…} with OK or MISSING a task | {STALE}
-- include: types

if redis.call('HGET', meta, 'partitions') ~= partitions then return {STALE} end
check_types({due, leased, dead}, {tries})

local answer, removed = {OK}, 0
for i = ARGS + 1, #ARGV do
  if redis.call('HDEL', body, ARGV[i]) == 1 then
    removed = removed + 1
    answer[#answer + 1] = OK
  else
    answer[#answer + 1] = MISSING
    answer[1] = MISSING
  end
end
if removed == 0 then return answer end
redis.call('ZREM', due, unpack(ARGV, ARGS + 1, #ARGV))
redis.call('ZREM', leased, unpack(ARGV, ARGS + 1, #ARGV))
redis.call('ZREM', dead, unpack(ARGV, ARGS + 1, #ARGV))
redis.call('HDEL', tries, unpack(ARGV, ARGS + 1, #ARGV))
redis.call('HINCRBY', meta, 'cancelled', removed)
return answer[1] == OK and {OK} or answer
