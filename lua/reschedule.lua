-- Moves waiting or ready tasks to a new due time.
-- KEYS: body due meta wake
-- ARGV: partitions when
-- then: id, a task each
-- returns: {OK} | {status, outcome…} with OK, MISSING or STATE a task | {STALE}
--
-- when: as in push.lua.
-- include: clock marker announce

local m = redis.call('HMGET', meta, 'partitions', 'armed_at', 'armed_until')
if m[1] ~= partitions then return {STALE} end

local at = tonumber(when)
at = at < 0 and math.max(-at, now) or now + at
local score = text(at)
local scores = redis.call('ZMSCORE', due, unpack(ARGV, ARGS + 1, #ARGV))
local answer, dues = {OK}, {}
for i = 1, #scores do
  local id = ARGV[ARGS + i]
  if scores[i] then
    dues[#dues + 1] = score
    dues[#dues + 1] = id
    answer[i + 1] = OK
  else
    answer[i + 1] = redis.call('HEXISTS', body, id) == 1 and STATE or MISSING
    answer[1] = answer[i + 1]
  end
end
if #dues == 0 then return answer end
redis.call('ZADD', due, unpack(dues))
announce(at, m[2], m[3])
return answer[1] == OK and {OK} or answer
