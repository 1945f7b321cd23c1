-- Finishes tasks: they are gone.
-- KEYS: leased body tries gone meta
-- ARGV: partitions runs
-- then: tasks lease, a run each; then: id, a task each, run by run, in byte order within one
-- returns: {OK} | {LOST, outcome…} with OK, LOST or MISSING a task | {STALE}
-- include: clock tries held types

local m = redis.call('HMGET', meta, 'partitions', 'retention_ms')
if m[1] ~= partitions then return {STALE} end
local before = ARGS + 2 * tonumber(runs) -- the ids come after it
local count = #ARGV - before

-- Calls fn(lease, from, to) for each run, until it answers false.
local function each_run(fn)
  local to = before
  for at = ARGS + 1, before, 2 do
    local from = to + 1
    to = to + tonumber(ARGV[at])
    if not fn(ARGV[at + 1], from, to) then return false end
  end
  return true
end

local function remember(ids, from, to)
  local until_us = text(now + tonumber(m[2]) * 1000)
  local entries = {}
  for i = from, to do
    entries[#entries + 1] = until_us
    entries[#entries + 1] = ids[i]
  end
  redis.call('ZADD', gone, unpack(entries))
  local old = redis.call('ZRANGEBYSCORE', gone, '-inf', text(now), 'LIMIT', 0, 2 * count)
  for i = 1, #old, 1000 do redis.call('ZREM', gone, unpack(old, i, math.min(i + 999, #old))) end
end

-- remove_leases() answers how many it removed.
local function finish(ids, from, to, remove_leases)
  local remembering = (tonumber(m[2]) or 0) > 0
  if remembering then check_types({gone}, {}) end
  local some_failed = redis.call('HLEN', tries) > 1
  redis.call('HDEL', body, unpack(ids, from, to))
  local removed = remove_leases()
  if some_failed then redis.call('HDEL', tries, unpack(ids, from, to)) end
  redis.call('HINCRBY', meta, 'done', removed)
  if remembering then remember(ids, from, to) end
end

-- 1. Nearly always all are held, and those of one take come together. Members of equal score are in
-- byte order too: one walk along those that have the run's lease finds its tasks, without a look-up
-- for each.
local is_whole = {} -- leases that no other tasks have

local function find_run(lease, from, to)
  if not alive(lease) then return false end
  local tasks = to - from + 1
  local members = redis.call('ZRANGEBYSCORE', leased, lease, lease, 'LIMIT', 0, 2 * tasks + 8)
  local at = 1
  for i = from, to do
    local id = ARGV[i]
    while members[at] ~= id do
      if not members[at] then return false end
      at = at + 1
    end
    at = at + 1
  end
  is_whole[lease] = #members == tasks
  return true
end

local function remove_runs()
  each_run(function(lease, from, to)
    if is_whole[lease] then return redis.call('ZREMRANGEBYSCORE', leased, lease, lease) end
    return redis.call('ZREM', leased, unpack(ARGV, from, to))
  end)
  return count
end

if each_run(find_run) then
  finish(ARGV, before + 1, #ARGV, remove_runs)
  return {OK}
end

-- 2. Else one by one: some are lost, or were extended, or are a few of many.
local scores = redis.call('ZMSCORE', leased, unpack(ARGV, before + 1))
local answer, ids = {OK}, {}
each_run(function(lease, from, to)
  for i = from, to do
    local id, nth = ARGV[i], i - before
    if held(id, lease, scores[nth]) then
      ids[#ids + 1] = id
      answer[nth + 1] = OK
    else
      answer[nth + 1] = redis.call('HEXISTS', body, id) == 1 and LOST or MISSING
      answer[1] = LOST
    end
  end
  return true
end)
if #ids > 0 then
  finish(ids, 1, #ids, function() return redis.call('ZREM', leased, unpack(ids)) end)
end
return answer[1] == OK and {OK} or answer
