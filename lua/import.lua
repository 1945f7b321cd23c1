-- Moves members of a ZSET whose scores are due times into a queue, each in one step with its leaving
-- the ZSET: no crash can lose or double one.
-- KEYS: body due leased dead tries meta wake
-- then: zset; then, where old consumers lock members: lock, a task each
-- ARGV: partitions head unit_us lock_value lock_ms delay_max_us
-- then: id member, a task each
-- returns: {OK, outcome…} | {STALE}; an outcome is OK, MISSING (no longer in the ZSET), HELD (an old
-- consumer has it), STATE (a task of that id is leased), ELIMIT (over payload_max) or EINVAL (its
-- score is no due time)
--
-- head: a record's bytes before the payload. unit_us: the scores' unit.
-- lock_value, lock_ms: what keeps old consumers away for a while from a member that was moved when
-- it was due, or nearly so: one of them may have read it before, and is yet to try its lock.
-- include: clock score marker announce types adopt

local m = redis.call('HMGET', meta, 'partitions', 'payload_max', 'record_max', 'armed_at',
  'armed_until')
if m[1] ~= partitions then return {STALE} end
local payload_max = tonumber(m[2])
local latest = now + tonumber(delay_max_us)
local near = now + tonumber(lock_ms) * 1000

local named = {unpack(KEYS, NAMED + 1)}
local zset = table.remove(named, 1)
local locks = named
local locking = #locks > 0
local count = (#ARGV - ARGS) / 2

-- A lock of another type is somebody's too.
local function is_held(lock)
  local holder = redis.pcall('GET', lock)
  return holder and holder ~= lock_value
end

-- 1. Nothing is written before all has been read: what fails, fails before anything is changed.
check_types({due, leased, dead}, {body, tries})

local answer, ats = {OK}, {}

local function judge(i)
  local id, member = ARGV[ARGS + 2 * i - 1], ARGV[ARGS + 2 * i]
  local score = redis.call('ZSCORE', zset, member)
  if not score then return MISSING end
  if locking and is_held(locks[i]) then return HELD end
  if #member > payload_max then return ELIMIT end
  ats[i] = due_of(score, unit_us, latest)
  if not ats[i] then return EINVAL end
  return redis.call('ZSCORE', leased, id) and STATE or OK
end

for i = 1, count do answer[i + 1] = judge(i) end

-- 2. All that may move does.
for i = 1, count do
  if answer[i + 1] == OK then
    local member = ARGV[ARGS + 2 * i]
    adopt(ARGV[ARGS + 2 * i - 1], member, ats[i])
    redis.call('ZREM', zset, member)
    if locking and ats[i] <= near then
      redis.call('SET', locks[i], lock_value, 'PX', lock_ms)
    end
  end
end
finish_adopting(tonumber(m[3]) or 0, m[4], m[5])
return answer
