-- Ends a page that lies aside (import_take): every partition has its part, or refused it. What was
-- refused goes back into the ZSET, unless it was added again meanwhile.
-- OWN KEYS: zset aside
-- ARGV: page
-- then: member…, those to go back
-- returns: {OK} | {MISSING} (that page lies there no more)

if redis.call('HGET', aside, 'page') ~= page then return {MISSING} end
redis.call('ZCARD', zset) -- fails where it has another type, before the first write

local back = {}
for i = ARGS + 1, #ARGV do
  local entry = redis.call('HGET', aside, 'm' .. ARGV[i])
  local score = entry and string.match(entry, ' (.*)$')
  if score then back[#back + 1] = {score, ARGV[i]} end
end
redis.call('DEL', aside) -- first: a full server lets a script that has written go on
for _, one in ipairs(back) do redis.call('ZADD', zset, 'NX', one[1], one[2]) end
return {OK}
