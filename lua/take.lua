-- Hands out ready tasks under a lease, takes back leases that have run out, and tells an
-- empty-handed worker when to look again.
-- KEYS: due leased body tries dead meta wake
-- ARGV: partitions want bytes_max least lease_ms attempts_max waiter stays
-- returns: {OK, token, lease, look_in_us, role, more, {id, due…}, {record…}, {tries…} | false}
--   | {STALE}
--
-- bytes_max: of records. least: 1 for one task even if its record is larger, 0 for none then.
-- lease_ms, attempts_max: 0 for the queue's. waiter: names the caller. stays: whether it will wait
-- here: no, empty (if it gets nothing) or room (if it gets fewer than it wants).
-- lease: the score that proves it, as text. look_in_us: when this waiter should look again; -1:
-- when woken. role: 1 armed, 2 deputy, 3 standby, 0 none of them. more: 1 when ready tasks or
-- expired leases were left behind.
-- include: clock record tries write_tries marker types forget_dead trim_dead

local GRACE_US = 50000 -- how much later than it said an armed worker may look and be relied on
local SLEEP_MAX_US = 15250000 -- nobody sleeps longer without a look
local SUCCESSION_US = 500000 -- how late a deputy may look after the moment, and still be soon enough
local RECLAIM_MAX = 100 -- expired leases taken back in one call
local RECLAIM_BYTES = 8 * 1024 * 1024 -- of their records, which are only looked at

local m = redis.call('HMGET', meta, 'partitions', 'paused', 'token', 'lease_ms', 'max_attempts',
  'record_max', 'dead_max', 'dead_age_ms', 'armed_by', 'armed_at', 'armed_until',
  'deputy_by', 'deputy_until')
if m[1] ~= partitions then return {STALE} end
local record_max = math.max(tonumber(m[6]) or 0, 1)

-- Records of the first ids, as many as fit the budget; `least_count` of them in any case. In pieces
-- that fit whatever the records' sizes; one by one, by its own size, where only that may fit.
local function read_records(ids, count, budget, least_count)
  if count <= 1000 and count * record_max <= budget then
    return redis.call('HMGET', body, unpack(ids, 1, count))
  end
  local records = {}
  while #records < count do
    local from = #records
    local piece = math.min(1000, math.floor(budget / record_max), count - from)
    if piece < 1 then
      if from >= least_count and redis.call('HSTRLEN', body, ids[from + 1]) > budget then break end
      piece = 1
    end
    local got = redis.call('HMGET', body, unpack(ids, from + 1, from + piece))
    for i = 1, piece do
      records[from + i] = got[i]
      if got[i] then budget = budget - #got[i] end
    end
  end
  return records
end

local function read_all_tries(ids)
  if redis.call('HLEN', tries) == 1 then return false end
  return redis.call('HMGET', tries, unpack(ids))
end

-- 1. Leases that have run out: an attempt counted; ready again, or dead at the limit.
local function reclaim()
  local expired = redis.call('ZRANGEBYSCORE', leased, '-inf', text(now), 'WITHSCORES',
    'LIMIT', 0, RECLAIM_MAX)
  if #expired == 0 then return end
  check_types({due, dead}, {})
  local ids = {}
  for i = 1, #expired, 2 do ids[#ids + 1] = expired[i] end
  local limit = tonumber(attempts_max)
  if limit == 0 then limit = tonumber(m[5]) end
  local records = read_records(ids, #ids, RECLAIM_BYTES, 1)
  local known = read_all_tries(ids)
  redis.call('ZREM', leased, unpack(ids, 1, #records))
  local died = 0
  for i = 1, #records do
    local record, id = records[i], ids[i]
    if record then
      local failures = read_tries(known and known[i]) + 1
      redis.call('HSET', tries, id, write_tries(failures, '', '', 'lease expired'))
      if failures >= attempts_limit(record, limit) then
        redis.call('ZADD', dead, now, id)
        died = died + 1
      else
        redis.call('ZADD', due, expired[2 * i], id)
      end
    end
  end
  redis.call('HINCRBY', meta, 'expired', #records)
  if died > 0 then
    redis.call('HINCRBY', meta, 'died', died)
    trim_dead(m[7], m[8], tonumber(partitions))
  end
end

-- 2. The ready ones, those due first first, as many as are wanted and fit.
local token = math.max((tonumber(m[3]) or 0) + 1, now)
local lease = tonumber(lease_ms)
if lease == 0 then lease = tonumber(m[4]) end
local lease_score = text(math.floor((now + lease * 1000) / 1000) * 1000 + token % 1000)

local function take(most)
  local ready = redis.call('ZRANGEBYSCORE', due, '-inf', text(now), 'WITHSCORES',
    'LIMIT', 0, most)
  local count = #ready / 2
  if count == 0 then return ready, {}, false end
  local ids = {}
  for i = 1, count do ids[i] = ready[2 * i - 1] end
  local records = read_records(ids, count, tonumber(bytes_max), tonumber(least))
  count = #records
  if count == 0 then return {}, {}, false end
  local failures = read_all_tries(ids)
  local leases, filled = {}, 0
  for i = 1, count do
    if records[i] then -- an id without a record is an orphan: it leaves `due`, and is not given
      leases[filled + 1] = lease_score
      leases[filled + 2] = ids[i]
      filled = filled + 2
    end
  end
  redis.call('ZREMRANGEBYRANK', due, 0, count - 1)
  if filled == 0 then return {}, {}, false end
  redis.call('ZADD', leased, unpack(leases))
  redis.call('HSET', meta, 'token', text(token), 'late_us', text(now - tonumber(ready[2])))
  return ready, records, failures
end

reclaim()
local ready, records, known = {}, {}, false
local wanted = m[2] ~= '1' and tonumber(want) or 0
if wanted > 0 then ready, records, known = take(wanted) end

-- 3. What comes next. One idle worker is armed: it sleeps until the next moment that matters, and
-- `meta` remembers until when it may be relied upon. Another is its deputy, and looks just then in
-- case it has died. The others stand by, and wait for markers.
local function head_of(key)
  local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return tonumber(head[2]) or math.huge
end

local next_due = m[2] == '1' and math.huge or head_of(due)
local next_at = math.min(next_due, head_of(leased))
local more = next_at <= now
local armed_at, armed_until = tonumber(m[10]) or 0, tonumber(m[11]) or 0
local is_armed, is_deputy = m[9] == waiter, m[12] == waiter

-- Memory may be refused to an idle look, which writes nothing but this; it only costs a wake-up.
local function remember(...)
  local answer = redis.pcall('HSET', meta, ...)
  if type(answer) == 'table' and answer.err and not string.find(answer.err, 'OOM', 1, true) then
    return answer
  end
end

local function resign(post)
  return remember(post .. '_by', '', post .. '_until', '0')
end

-- Whether another will look soon after this moment, should who is armed for it now have died: all
-- have looked by then; or it was armed for it before, and another told; or there is a deputy.
local function is_known(at)
  local deputy_until = is_deputy and 0 or tonumber(m[13]) or 0
  return at > now + SLEEP_MAX_US or is_armed and at == armed_at
    or deputy_until > now and deputy_until <= at + SUCCESSION_US
end

local refusal
local look_in, role = -1, 0
local staying = stays == 'empty' and #records == 0
  or stays == 'room' and (wanted == 0 or #records < wanted)
if staying and not more then
  if marker_count() > 0 then redis.call('DEL', wake) end
  trim_dead(m[7], m[8], tonumber(partitions))
  if next_at == math.huge and (is_armed or armed_until <= now) then
    refusal = is_armed and resign('armed') or is_deputy and resign('deputy')
  elseif is_armed or armed_until <= now or next_at < armed_at then
    refusal = is_deputy and resign('deputy') or remember('armed_by', waiter,
      'armed_at', text(next_at), 'armed_until', text(next_at + GRACE_US))
    look_in, role = next_at - now, 1
    if not is_known(next_at) then leave_marker() end
  elseif is_deputy or (tonumber(m[13]) or 0) <= now then
    refusal = remember('deputy_by', waiter, 'deputy_until', text(armed_until + GRACE_US))
    look_in, role = armed_until - now, 2
  else
    look_in, role = armed_until - now, 3
  end
else
  refusal = is_armed and resign('armed') or is_deputy and resign('deputy')
  local unwatched = is_armed or armed_until <= now or next_at < armed_at
  if more or (unwatched and next_at < math.huge) then leave_marker() end
end
if refusal then return refusal end

return {OK, text(token), lease_score, look_in, role, more and 1 or 0, ready, records, known}
