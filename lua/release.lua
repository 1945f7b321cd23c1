-- Gives tasks back, ready at once, without counting an attempt.
-- KEYS: leased due tries meta wake
-- ARGV: partitions
-- then: id, a task each; then: lease, a task each
-- returns: {OK} | {LOST, outcome…} with OK or LOST a task | {STALE}
-- include: clock tries write_tries held marker announce types

local m = redis.call('HMGET', meta, 'partitions', 'armed_at', 'armed_until')
if m[1] ~= partitions then return {STALE} end
local count = (#ARGV - ARGS) / 2

local scores = redis.call('ZMSCORE', leased, unpack(ARGV, ARGS + 1, ARGS + count))
local answer, ids, dues = {OK}, {}, {}
local now_text = text(now)
for i = 1, count do
  local id = ARGV[ARGS + i]
  if held(id, ARGV[ARGS + count + i], scores[i]) then
    ids[#ids + 1] = id
    dues[#dues + 1] = now_text
    dues[#dues + 1] = id
    answer[i + 1] = OK
  else
    answer[i + 1] = LOST
    answer[1] = LOST
  end
end
if #ids == 0 then return answer end
check_types({due}, {tries})
local removed = redis.call('ZREM', leased, unpack(ids))
redis.call('ZADD', due, unpack(dues))
-- What was remembered of an extended lease ends with it.
if redis.call('HLEN', tries) > 1 then
  local entries = redis.call('HMGET', tries, unpack(ids))
  for i = 1, #ids do
    local failures, _, _, why = read_tries(entries[i])
    if failures > 0 then
      redis.call('HSET', tries, ids[i], write_tries(failures, '', '', why))
    elseif entries[i] then
      redis.call('HDEL', tries, ids[i])
    end
  end
end
redis.call('HINCRBY', meta, 'released', removed)
announce(now, m[2], m[3])
return answer[1] == OK and {OK} or answer
