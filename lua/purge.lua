-- Removes every task of a partition; with `remove` 1 the partition too, with `only_empty` 1 only where
-- it has no task.
-- KEYS: due leased body tries dead gone meta wake
-- ARGV: partitions remove only_empty
-- returns: {OK, tasks removed} | {STATE, tasks there} | {STALE}
-- include: sentinel_text sentinel

if redis.call('HGET', meta, 'partitions') ~= partitions then return {STALE} end
local count = math.max(redis.call('HLEN', body) - 1, 0)
if only_empty == '1' and count > 0 then return {STATE, count} end

-- The server frees what is unlinked in the background: this is short however many tasks there are.
redis.call('UNLINK', due, leased, body, tries, dead, gone)
if remove == '1' then
  redis.call('UNLINK', meta)
  redis.call('DEL', wake)
  return {OK, count}
end
add_sentinels()
redis.call('HDEL', meta, 'record_max')
if count > 0 then redis.call('HINCRBY', meta, 'cancelled', count) end
return {OK, count}
