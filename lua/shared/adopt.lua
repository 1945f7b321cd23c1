-- Members of a ZSET become tasks. As it would have been in the ZSET, one that is in the queue already
-- gets its new due time, as if newly pushed.
local adopted, longest, soonest = 0, 0, math.huge

local function adopt(id, member, at)
  redis.call('ZADD', due, at, id)
  if redis.call('HSET', body, id, head .. member) == 1 then
    adopted = adopted + 1
  else
    redis.call('ZREM', dead, id)
    redis.call('HDEL', tries, id)
  end
  soonest = math.min(soonest, at)
  longest = math.max(longest, #head + #member)
end

local function finish_adopting(record_max, armed_at, armed_until)
  if soonest == math.huge then return end
  if longest > record_max then redis.call('HSET', meta, 'record_max', longest) end
  if adopted > 0 then redis.call('HINCRBY', meta, 'pushed', adopted) end
  announce(soonest, armed_at, armed_until)
end
