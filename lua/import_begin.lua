-- Whether a page could be put aside now (import_take): before its members are locked, which keeps old
-- consumers from them for a while. A full server, or a slot on its way, says so here.
-- OWN KEYS: zset aside
-- ARGV:
-- returns: {OK, now} | {STATE} (a page lies aside)
-- include: clock

if redis.call('HLEN', aside) > 0 then return {STATE} end
redis.call('ZCARD', zset)
redis.call('HSET', aside, 'page', '')
redis.call('DEL', aside)
return {OK, text(now)}
