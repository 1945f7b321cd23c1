-- Looks tasks up, in whatever state; as many of the first ids as fit bytes_max.
-- KEYS: body due leased dead tries meta
-- ARGV: partitions bytes_max
-- then: id, a task each
-- returns: {OK, now, {due…}, {leased…}, {dead…}, {record…}, {tries…}} for as many ids | {STALE}
-- include: clock

local m = redis.call('HMGET', meta, 'partitions', 'record_max')
if m[1] ~= partitions then return {STALE} end
local fit = math.max(1, math.floor(tonumber(bytes_max) / math.max(tonumber(m[2]) or 0, 1)))
local last = math.min(#ARGV, ARGS + fit)
return {
  OK, text(now),
  redis.call('ZMSCORE', due, unpack(ARGV, ARGS + 1, last)),
  redis.call('ZMSCORE', leased, unpack(ARGV, ARGS + 1, last)),
  redis.call('ZMSCORE', dead, unpack(ARGV, ARGS + 1, last)),
  redis.call('HMGET', body, unpack(ARGV, ARGS + 1, last)),
  redis.call('HMGET', tries, unpack(ARGV, ARGS + 1, last)),
}
