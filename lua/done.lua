-- Finishes tasks: they are gone.
-- KEYS: leased body tries gone meta
-- ARGV: partitions
-- then: id, a task each; then: lease, a task each
-- returns: {OK} | {LOST, outcome…} with OK, LOST or MISSING a task | {STALE}
-- include: clock tries held types

local m = redis.call('HMGET', meta, 'partitions', 'retention_ms')
if m[1] ~= partitions then return {STALE} end
local count = (#ARGV - ARGS) / 2

local function finish(ids, from, to)
  local retention_ms = tonumber(m[2]) or 0
  if retention_ms > 0 then check_types({gone}, {}) end
  local some_failed = redis.call('HLEN', tries) > 1
  redis.call('HDEL', body, unpack(ids, from, to))
  local removed = redis.call('ZREM', leased, unpack(ids, from, to))
  if some_failed then redis.call('HDEL', tries, unpack(ids, from, to)) end
  redis.call('HINCRBY', meta, 'done', removed)
  if retention_ms == 0 then return end
  local until_us = text(now + retention_ms * 1000)
  local entries = {}
  for i = from, to do
    entries[#entries + 1] = until_us
    entries[#entries + 1] = ids[i]
  end
  redis.call('ZADD', gone, unpack(entries))
  local old = redis.call('ZRANGEBYSCORE', gone, '-inf', text(now), 'LIMIT', 0, 2 * count)
  for i = 1, #old, 1000 do redis.call('ZREM', gone, unpack(old, i, math.min(i + 999, #old))) end
end

local scores = redis.call('ZMSCORE', leased, unpack(ARGV, ARGS + 1, ARGS + count))
local all = true
for i = 1, count do
  if scores[i] ~= ARGV[ARGS + count + i] or not alive(scores[i]) then all = false end
end
if all then
  finish(ARGV, ARGS + 1, ARGS + count)
  return {OK}
end

local answer, ids = {OK}, {}
for i = 1, count do
  local id = ARGV[ARGS + i]
  if held(id, ARGV[ARGS + count + i], scores[i]) then
    ids[#ids + 1] = id
    answer[i + 1] = OK
  else
    answer[i + 1] = redis.call('HEXISTS', body, id) == 1 and LOST or MISSING
    answer[1] = LOST
  end
end
if #ids > 0 then finish(ids, 1, #ids) end
return answer
