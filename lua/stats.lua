-- Counts of a partition.
-- KEYS: due leased dead meta
-- ARGV: partitions
-- returns: {OK, paused, waiting, ready, leased, dead, pushed, done, retried, released, expired,
--   died, cancelled, dropped, due_minute, due_hour, due_day, oldest_ready_us, next_due_us, late_us,
--   late_ago_us} with -1 for none in the last four | {STALE}
-- include: clock

local m = redis.call('HMGET', meta, 'partitions', 'paused', 'late_us', 'token', 'pushed', 'done',
  'retried', 'released', 'expired', 'died', 'cancelled', 'dropped')
if m[1] ~= partitions then return {STALE} end
local now_text = text(now)
local ready = redis.call('ZCOUNT', due, '-inf', now_text)
local waiting = redis.call('ZCARD', due) - 1 - ready

-- Tasks that wait, and are due within so long.
local function due_within(seconds)
  return redis.call('ZCOUNT', due, '(' .. now_text, text(now + seconds * 1000000))
end

local function at_rank(rank)
  return tonumber(redis.call('ZRANGE', due, rank, rank, 'WITHSCORES')[2])
end

local answer = {
  OK, m[2] == '1' and 1 or 0, waiting, ready,
  redis.call('ZCARD', leased) - 1, redis.call('ZCARD', dead) - 1,
}
for i = 5, 12 do answer[#answer + 1] = tonumber(m[i]) or 0 end
for _, seconds in ipairs({60, 3600, 86400}) do
  answer[#answer + 1] = waiting > 0 and due_within(seconds) or 0
end
answer[#answer + 1] = ready > 0 and now - at_rank(0) or -1
answer[#answer + 1] = waiting > 0 and at_rank(ready) - now or -1

local late, late_at = tonumber(m[3]), tonumber(m[4])
answer[#answer + 1] = late_at and late or -1
answer[#answer + 1] = late and late_at and math.max(now - late_at, 0) or -1
return answer
