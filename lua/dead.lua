-- Redrives dead tasks (ready again, their attempts forgotten) or drops them: those named, or
-- the oldest `count` of those that died no later than until_us.
-- KEYS: body due dead tries meta wake
-- ARGV: partitions action count until_us
-- then: id, a task each
-- returns: {status, moved, until_us, outcome…} with OK, MISSING or STATE an id named | {STALE}
--
-- action: redrive drop. until_us 0: now, and the answer says which time that is.
-- include: clock marker announce types forget_dead

local m = redis.call('HMGET', meta, 'partitions', 'armed_at', 'armed_until')
if m[1] ~= partitions then return {STALE} end
check_types({due}, {body, tries})

local until_text = until_us == '0' and text(now) or until_us
local answer, ids = {OK, 0, until_text}, {}
if #ARGV == ARGS then
  ids = redis.call('ZRANGEBYSCORE', dead, '-inf', until_text, 'LIMIT', 0, tonumber(count))
else
  local scores = redis.call('ZMSCORE', dead, unpack(ARGV, ARGS + 1, #ARGV))
  for i = 1, #scores do
    local id = ARGV[ARGS + i]
    local outcome = OK
    if scores[i] then
      ids[#ids + 1] = id
    else
      outcome = redis.call('HEXISTS', body, id) == 1 and STATE or MISSING
      answer[1] = outcome
    end
    answer[i + 3] = outcome
  end
end

-- With a record to deliver; one without is an orphan, and only leaves `dead`.
local function redrive()
  redis.call('ZREM', dead, unpack(ids))
  redis.call('HDEL', tries, unpack(ids))
  local dues, now_text = {}, text(now)
  for i = 1, #ids do
    if redis.call('HEXISTS', body, ids[i]) == 1 then
      dues[#dues + 1] = now_text
      dues[#dues + 1] = ids[i]
    end
  end
  if #dues > 0 then redis.call('ZADD', due, unpack(dues)) end
  announce(now, m[2], m[3])
end

answer[2] = #ids
if #ids > 0 then
  if action == 'redrive' then redrive() else forget_dead(ids) end
end
return answer
