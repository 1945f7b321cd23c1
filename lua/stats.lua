-- Counts of a partition.
-- KEYS: due leased dead meta
-- ARGV: partitions
-- returns: {OK, paused, waiting, ready, leased, dead, pushed, done, retried, released, expired,
--   died, cancelled, dropped, oldest_ready_us, next_due_us} with -1 for none | {STALE}
-- include: clock

local m = redis.call('HMGET', meta, 'partitions', 'paused', 'pushed', 'done', 'retried', 'released',
  'expired', 'died', 'cancelled', 'dropped')
if m[1] ~= partitions then return {STALE} end
local now_text = text(now)
local ready = redis.call('ZCOUNT', due, '-inf', now_text)
local waiting = redis.call('ZCARD', due) - 1 - ready

local function at_rank(rank)
  return tonumber(redis.call('ZRANGE', due, rank, rank, 'WITHSCORES')[2])
end

local answer = {
  OK, m[2] == '1' and 1 or 0, waiting, ready,
  redis.call('ZCARD', leased) - 1, redis.call('ZCARD', dead) - 1,
}
for i = 3, 10 do answer[#answer + 1] = tonumber(m[i]) or 0 end
answer[#answer + 1] = ready > 0 and now - at_rank(0) or -1
answer[#answer + 1] = waiting > 0 and at_rank(ready) - now or -1
return answer
