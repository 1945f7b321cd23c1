-- Finds keys of a partition that are gone, of another type or without their sentinel, and puts the
-- sentinels back if asked (a key of another type must have been set aside before).
-- KEYS: due leased body tries dead gone wake meta
-- ARGV: partitions repair
-- returns: {OK, fault…} | {STALE}; a word for each key but meta: '' sound, absent, type, sentinel
-- include: sentinel_text sentinel

if redis.call('HGET', meta, 'partitions') ~= partitions then return {STALE} end

local function fault_of(key, kind)
  local is = redis.call('TYPE', key).ok
  if is == 'none' then return kind == 'list' and '' or 'absent' end
  if is ~= kind then return 'type' end
  if kind == 'list' then return '' end
  local has = redis.call(kind == 'zset' and 'ZSCORE' or 'HGET', key, SENTINEL)
  return has and '' or 'sentinel'
end

local kinds = {'zset', 'zset', 'hash', 'hash', 'zset', 'zset', 'list'}
local answer = {OK}
for i, key in ipairs({due, leased, body, tries, dead, gone, wake}) do
  answer[i + 1] = fault_of(key, kinds[i])
end
if repair == '1' then add_sentinels() end
return answer
