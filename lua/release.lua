-- Gives tasks back, ready at once, without counting an attempt.
-- KEYS: leased due tries meta wake
-- ARGV: partitions
-- then: id, a task each; then: lease, a task each
-- returns: {OK} | {LOST, outcome…} with OK or LOST a task | {STALE}
-- include: clock tries held marker announce types

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
check_types({due}, {})
local removed = redis.call('ZREM', leased, unpack(ids))
redis.call('ZADD', due, unpack(dues))
redis.call('HINCRBY', meta, 'released', removed)
announce(now, m[2], m[3])
return answer[1] == OK and {OK} or answer
