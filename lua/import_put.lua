-- Puts a partition's part of a page that lies aside (import_take) into it, once, however often it is
-- called: which page was put last, and what was refused of it, is kept beside the tasks.
-- KEYS: body due leased dead tries meta wake
-- ARGV: partitions head source page
-- then: id member due_us, a task each, all of the page that are this partition's
-- returns: {OK, outcome…} | {LOST, number} (a later page was put before this one) | {STALE}; an
-- outcome is OK, STATE (a task of that id is leased) or ELIMIT (over payload_max)
--
-- head: a record's bytes before the payload. source: names the ZSET.
-- include: clock marker announce types adopt

local field = 'import:' .. source
local m = redis.call('HMGET', meta, 'partitions', 'payload_max', 'record_max', 'armed_at',
  'armed_until', field)
if m[1] ~= partitions then return {STALE} end
local payload_max = tonumber(m[2])
local count = (#ARGV - ARGS) / 3
local answer = {OK}

-- The page's name, and of what was refused: ' ', 'S' (leased) or 'L' (large) and the id.
local last, refused = string.match(m[6] or '', '^(%S*)(.*)$')
local function number_of(name)
  return tonumber(string.match(name, '^(%d+)-')) or 0
end

if last == page then
  for i = 1, count do
    local id = ARGV[ARGS + 3 * i - 2]
    local leased_then = string.find(refused, ' S' .. id, 1, true)
    local large_then = string.find(refused, ' L' .. id, 1, true)
    answer[i + 1] = leased_then and STATE or large_then and ELIMIT or OK
  end
  return answer
end
if number_of(page) <= number_of(last) then return {LOST, text(number_of(last))} end

-- Nothing is written before all has been read.
check_types({due, leased, dead}, {body, tries})
local note = page
for i = 1, count do
  local id, member = ARGV[ARGS + 3 * i - 2], ARGV[ARGS + 3 * i - 1]
  answer[i + 1] = OK
  if #member > payload_max then
    answer[i + 1] = ELIMIT
    note = note .. ' L' .. id
  elseif redis.call('ZSCORE', leased, id) then
    answer[i + 1] = STATE
    note = note .. ' S' .. id
  end
end

redis.call('HSET', meta, field, note)
for i = 1, count do
  if answer[i + 1] == OK then
    adopt(ARGV[ARGS + 3 * i - 2], ARGV[ARGS + 3 * i - 1], tonumber(ARGV[ARGS + 3 * i]))
  end
end
finish_adopting(tonumber(m[3]) or 0, m[4], m[5])
return answer
