-- Puts members of a ZSET aside, where no old consumer looks: a page on its way into a queue whose
-- keys are in other slots. One page at a time.
-- OWN KEYS: zset aside
-- ARGV: queue unit_us delay_max_us until_us floor nonce
-- then: member…
-- returns: {OK, outcome…} | {STATE} (another page lies aside) | {LOST} (after until_us); an outcome is
-- OK, MISSING (no longer in the ZSET) or EINVAL (its score is no due time)
--
-- aside, a hash: 'page', its name, NUMBER-NOW-NONCE; 'queue'; 'm' and a member: 'due_us score'. A later
-- page has a larger number, floor or more, and no two have one name.
-- until_us: when it is too late: locks that were taken for the page may be over.
-- include: clock score

if redis.call('HLEN', aside) > 0 then return {STATE} end
if now > tonumber(until_us) then return {LOST} end

local latest = now + tonumber(delay_max_us)
local answer, entries = {OK}, {}
for i = ARGS + 1, #ARGV do
  local score = redis.call('ZSCORE', zset, ARGV[i])
  local at = score and due_of(score, unit_us, latest)
  answer[#answer + 1] = not score and MISSING or not at and EINVAL or OK
  if at then entries[i] = text(at) .. ' ' .. score end
end
if not next(entries) then return answer end

local number = math.max(tonumber(floor), now)
local page = text(number) .. '-' .. text(now) .. '-' .. nonce
redis.call('HSET', aside, 'page', page, 'queue', queue)
for i, entry in pairs(entries) do
  redis.call('HSET', aside, 'm' .. ARGV[i], entry)
  redis.call('ZREM', zset, ARGV[i])
end
return answer
