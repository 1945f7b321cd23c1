-- One step through the ids of one of a partition's collections, without their values.
-- KEYS: body due leased dead tries meta
-- ARGV: partitions kind cursor count bytes_max
-- returns: {OK, next cursor, id…} | {STALE}; next cursor 0: that was all
--
-- kind: body due leased dead tries
-- include: sentinel_text

local m = redis.call('HMGET', meta, 'partitions', 'record_max')
if m[1] ~= partitions then return {STALE} end
local keys = {body = body, due = due, leased = leased, dead = dead, tries = tries}
local scan = (kind == 'body' or kind == 'tries') and 'HSCAN' or 'ZSCAN'
local fit = math.max(1, math.floor(tonumber(bytes_max) / math.max(tonumber(m[2]) or 0, 1)))
local found = redis.call(scan, keys[kind], cursor, 'COUNT', math.min(tonumber(count), fit))
local answer = {OK, found[1]}
for i = 1, #found[2], 2 do
  if found[2][i] ~= SENTINEL then answer[#answer + 1] = found[2][i] end
end
return answer
