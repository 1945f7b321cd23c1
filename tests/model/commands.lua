-- Random commands and all their answers: run as a script by a real server and by redis.lua, which
-- are to say the same.
-- KEYS: zset hash list none; ARGV: seed, how many. returns: a text, a line a command

local seed = tonumber(ARGV[1])

local function below(limit)
  seed = seed * 16807 % 2147483647
  return seed % limit
end

local function one_of(list)
  return list[below(#list) + 1]
end

local function text_of(value, sorted)
  if type(value) == 'number' then return string.format('%.17g', value) end
  if type(value) ~= 'table' then return tostring(value) end
  if value.err then return 'error ' .. string.match(value.err, '^%S+') end
  if value.ok then return 'ok ' .. value.ok end
  local parts = {}
  for i, item in ipairs(value) do parts[i] = text_of(item, sorted) end
  if sorted then table.sort(parts) end
  return '{' .. table.concat(parts, ' ') .. '}'
end

local function member()
  return one_of({'a', 'b', 'c', 'd', 'e', 'Z', '10', '9'})
end

local function score()
  return one_of({'0', '1', '2', '-3', '1.5', '1700000000123456', 'inf', '-inf', 7, 1e15, '+inf'})
end

local function bound()
  return one_of({'-inf', '+inf', '0', '1', '(1', '2', '(2', '7', '1700000000123456'})
end

local function rank()
  return one_of({0, 1, 2, 3, -1, -2, -9, 9})
end

-- Each gives the words of a command.
local makers = {
  function() return 'ZADD', KEYS[1], score(), member() end,
  function() return 'ZADD', KEYS[1], score(), member(), score(), member() end,
  function() return 'ZADD', KEYS[1], 'LT', score(), member() end,
  function() return 'ZADD', KEYS[1], 'GT', score(), member() end,
  function() return 'ZREM', KEYS[1], member(), member() end,
  function() return 'ZCARD', KEYS[1] end,
  function() return 'ZCOUNT', KEYS[1], bound(), bound() end,
  function() return 'ZSCORE', KEYS[1], member() end,
  function() return 'ZMSCORE', KEYS[1], member(), member() end,
  function() return 'ZRANK', KEYS[1], member() end,
  function() return 'ZRANGE', KEYS[1], rank(), rank() end,
  function() return 'ZRANGE', KEYS[1], rank(), rank(), 'WITHSCORES' end,
  function() return 'ZRANGEBYSCORE', KEYS[1], bound(), bound() end,
  function()
    return 'ZRANGEBYSCORE', KEYS[1], bound(), bound(), 'WITHSCORES', 'LIMIT', below(3), below(4)
  end,
  function() return 'ZREMRANGEBYRANK', KEYS[1], rank(), rank() end,
  function() return 'ZREMRANGEBYSCORE', KEYS[1], bound(), bound() end,
  function() return 'ZSCAN', KEYS[1], '0', 'COUNT', 10 end,
  function() return 'HSET', KEYS[2], member(), below(100) end,
  function() return 'HSET', KEYS[2], member(), 'x', member(), 'yy' end,
  function() return 'HINCRBY', KEYS[2], member(), below(9) - 4 end,
  function() return 'HDEL', KEYS[2], member(), member() end,
  function() return 'HGET', KEYS[2], member() end,
  function() return 'HMGET', KEYS[2], member(), member() end,
  function() return 'HEXISTS', KEYS[2], member() end,
  function() return 'HSTRLEN', KEYS[2], member() end,
  function() return 'HLEN', KEYS[2] end,
  function() return 'HSCAN', KEYS[2], '0' end,
  function() return 'HSETNX', KEYS[2], member(), below(100) end,
  function() return 'HGETALL', KEYS[2] end,
  function() return 'LPUSH', KEYS[3], member() end,
  function() return 'LLEN', KEYS[3] end,
  function() return 'TYPE', one_of(KEYS) end,
  function() return 'DEL', KEYS[3] end,
  function() return 'UNLINK', KEYS[4], below(20) == 0 and one_of(KEYS) or KEYS[4] end,
  -- what fails
  function() return 'ZADD', KEYS[2], 1, member() end,
  function() return 'ZADD', KEYS[1], 'word', member() end,
  function() return 'HGET', KEYS[1], member() end,
  function() return 'LLEN', KEYS[1] end,
  function() return 'LPUSH', KEYS[2], member() end,
  function() return 'HSET', KEYS[2], member() end,
  function() return 'ZCARD' end,
}

local lines = {}
for i = 1, tonumber(ARGV[2]) do
  local words = {one_of(makers)()}
  local answer = redis.pcall(unpack(words))
  for at, word in ipairs(words) do words[at] = text_of(word) end
  lines[i] = table.concat(words, ' ') .. ': ' .. text_of(answer, words[1] == 'HSCAN' or words[1] == 'HGETALL')
end
return table.concat(lines, '\n')
