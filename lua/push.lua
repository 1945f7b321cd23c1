-- Puts tasks into a queue, each due at its own time.
-- KEYS: body due leased dead tries gone meta wake
-- ARGV: partitions policy distinct
-- then: id record, a task each; then: when, a task each
-- returns: {OK} | {EXISTS, outcome…} | {EEXIST, index} | {ELIMIT, index, payload_max} | {STALE}
--
-- when: µs from now, or, if negative, minus the due time in µs since the epoch.
-- policy: keep replace earliest latest fail. distinct: 1 when the caller knows all ids to differ.
-- include: clock payload marker announce types

local m = redis.call('HMGET', meta, 'partitions', 'payload_max', 'record_max', 'retention_ms',
  'armed_at', 'armed_until')
if m[1] ~= partitions then return {STALE} end
local payload_max = tonumber(m[2])
local record_max = tonumber(m[3]) or 0
local remembering = (tonumber(m[4]) or 0) > 0

local count = (#ARGV - ARGS) / 3
local now_text = text(now)
local ids, dues = {}, {}
local head = math.huge
local REMEMBERED = true
local widest = 0
for i = 1, count do
  local when = ARGV[ARGS + 2 * count + i]
  local at, score = now, now_text
  if when ~= '0' then
    at = tonumber(when)
    at = at < 0 and math.max(-at, now) or now + at
    score = at
  end
  if at < head then head = at end
  local id = ARGV[ARGS + 2 * i - 1]
  local len = #ARGV[ARGS + 2 * i]
  if len > widest then widest = len end
  ids[i] = id
  dues[2 * i - 1] = score
  dues[2 * i] = id
end

if widest > payload_max then
  for i = 1, count do
    if payload_len(ARGV[ARGS + 2 * i]) > payload_max then return {ELIMIT, i, payload_max} end
  end
end

-- Presence is asked for all at once; a record comes back only where the id exists. Ids that are
-- remembered after their task was finished count as known.
local function known_ids()
  local known = redis.call('HMGET', body, unpack(ids))
  if not remembering then return known end
  local untils = redis.call('ZMSCORE', gone, unpack(ids))
  for i = 1, count do
    known[i] = known[i] or (untils[i] and tonumber(untils[i]) > now and REMEMBERED)
  end
  return known
end

local function first_of(known)
  for i = 1, count do
    if known[i] then return i end
  end
end

local function first_repeated()
  local seen = {}
  for i = 1, count do
    if seen[ids[i]] then return i end
    seen[ids[i]] = true
  end
end

-- record_max only grows, but where these tasks are the only ones: then a wide one is forgotten.
local WIDE = 65536

local function finish(pushed)
  local alone = record_max > WIDE and redis.call('HLEN', body) - 1 == pushed
  if widest > record_max or alone then redis.call('HSET', meta, 'record_max', widest) end
  if pushed > 0 then redis.call('HINCRBY', meta, 'pushed', pushed) end
  announce(head, m[5], m[6])
end

local known = known_ids()
local clash = first_of(known) or (distinct ~= '1' and first_repeated())
if not clash then
  redis.call('ZADD', due, unpack(dues))
  redis.call('HSET', body, unpack(ARGV, ARGS + 1, ARGS + 2 * count))
  finish(count)
  return {OK}
end
if policy == 'fail' then return {EEXIST, clash} end

-- Some ids exist: task by task.
check_types({due, leased, dead}, {tries})

local function put(i)
  redis.call('ZADD', due, dues[2 * i - 1], ids[i])
  redis.call('HSET', body, ids[i], ARGV[ARGS + 2 * i])
end

local function settle(i)
  local id = ids[i]
  if policy == 'keep' or known[i] == REMEMBERED then return EXISTS end
  if redis.call('ZSCORE', leased, id) then return EXISTS end
  if policy == 'replace' then
    put(i)
    redis.call('ZREM', dead, id)
    redis.call('HDEL', tries, id)
    return OK
  end
  if not redis.call('ZSCORE', due, id) then return EXISTS end
  redis.call('ZADD', due, policy == 'earliest' and 'LT' or 'GT', dues[2 * i - 1], id)
  return OK
end

local answer = {OK}
local pushed = 0
for i = 1, count do
  if known[i] == REMEMBERED or redis.call('HEXISTS', body, ids[i]) == 1 then
    answer[i + 1] = settle(i)
    if answer[i + 1] == EXISTS then answer[1] = EXISTS end
  else
    put(i)
    pushed = pushed + 1
    answer[i + 1] = OK
  end
end
finish(pushed)
return answer
