-- One page of a partition's tasks in one state, in the order of their scores.
-- KEYS: body due leased dead tries meta
-- ARGV: partitions state count bytes_max after_score after_id
-- returns: {OK, now, ended, {id, score…}, {record…}, {tries…}} | {STALE}
--
-- state: waiting ready unleased (both) leased dead. after_score: '' for the first page. ended: 1
-- when nothing follows. A page may be shorter than asked.
-- include: clock

local m = redis.call('HMGET', meta, 'partitions', 'record_max')
if m[1] ~= partitions then return {STALE} end
local fit = math.max(1, math.floor(tonumber(bytes_max) / math.max(tonumber(m[2]) or 0, 1)))
local limit = math.min(tonumber(count), fit)

local key = state == 'leased' and leased or state == 'dead' and dead or due
-- Ranks of the first and of one past the last task of this state; the sentinel is past all.
local first, past = 0, redis.call('ZCARD', key) - 1
if state == 'waiting' then first = redis.call('ZCOUNT', key, '-inf', text(now)) end
if state == 'ready' then past = redis.call('ZCOUNT', key, '-inf', text(now)) end

-- The page before ended at a task that may have moved since: then go on at its score.
if after_score ~= '' then
  local from
  if redis.call('ZSCORE', key, after_id) == after_score then
    from = redis.call('ZRANK', key, after_id) + 1
  else
    from = redis.call('ZCOUNT', key, '-inf', '(' .. after_score)
  end
  first = math.max(first, from)
end

local last = math.min(first + limit, past) - 1
if last < first then return {OK, text(now), 1, {}, {}, {}} end
local found = redis.call('ZRANGE', key, first, last, 'WITHSCORES')
local ids = {}
for i = 1, #found, 2 do ids[#ids + 1] = found[i] end
return {
  OK, text(now), last + 1 >= past and 1 or 0, found,
  redis.call('HMGET', body, unpack(ids)),
  redis.call('HMGET', tries, unpack(ids)),
}
