-- Takes failures down: an attempt counted, the task ready again later, or dead.
-- KEYS: leased due body tries dead meta wake
-- ARGV: partitions
-- then: id lease delay_us limit hopeless error, a task each
-- returns: {status, outcome…} | {STALE}; a task's: OK, DEAD, LOST, or AGAIN_OK / AGAIN_DEAD: this very
-- failure had been taken down before
--
-- limit: of attempts, for a task without its own; 0: the queue's. hopeless: 1 for dead at once.
-- include: clock record tries write_tries held marker announce types forget_dead trim_dead

local FIELDS = 6
local m = redis.call('HMGET', meta, 'partitions', 'max_attempts', 'dead_max', 'dead_age_ms',
  'armed_at', 'armed_until')
if m[1] ~= partitions then return {STALE} end
check_types({due, dead}, {tries, body})

-- What a failure whose lease has ended is answered. One that was taken down is known as such also
-- when the task has been taken again since.
local function judge_ended(id, receipt)
  local _, lease, extended = read_tries(redis.call('HGET', tries, id))
  if lease ~= receipt or extended ~= '' then return LOST end
  return redis.call('ZSCORE', dead, id) and AGAIN_DEAD or AGAIN_OK
end

local retried, died = 0, 0
local head = math.huge

local function fail(id, receipt, delay_us, limit, hopeless, why)
  local score = redis.call('ZSCORE', leased, id)
  if not held(id, receipt, score) then return judge_ended(id, receipt) end
  local record = redis.call('HGET', body, id)
  redis.call('ZREM', leased, id)
  if not record then return LOST end
  local failures = read_tries(redis.call('HGET', tries, id)) + 1
  redis.call('HSET', tries, id, write_tries(failures, receipt, '', why))
  limit = tonumber(limit)
  if limit == 0 then limit = tonumber(m[2]) end
  if hopeless == '1' or failures >= attempts_limit(record, limit) then
    redis.call('ZADD', dead, now, id)
    died = died + 1
    return DEAD
  end
  local at = now + tonumber(delay_us)
  redis.call('ZADD', due, at, id)
  head = math.min(head, at)
  retried = retried + 1
  return OK
end

local answer = {OK}
for i = ARGS + 1, #ARGV, FIELDS do
  local outcome = fail(unpack(ARGV, i, i + FIELDS - 1))
  answer[#answer + 1] = outcome
  if outcome == LOST then answer[1] = LOST end
end
if retried > 0 then
  redis.call('HINCRBY', meta, 'retried', retried)
  announce(head, m[5], m[6])
end
if died > 0 then
  redis.call('HINCRBY', meta, 'died', died)
  trim_dead(m[3], m[4], tonumber(partitions))
end
return answer
