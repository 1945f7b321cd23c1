-- A small exact model of a Redis server: one keyspace, scripts, a clock that stands until it is
-- set, clients that block on lists. Knows nothing of dueq, and is strict: a command or an option it
-- does not know, or an undeclared key, ends the test; it never guesses. test_exact.sh compares it
-- with a server.
--
--   local scripts = {take = redis.compile('take', text)}
--   local server = redis.new(scripts, now_us)
--   server:run('take', keys, argv)       what EVALSHA would answer: {err = …} if it failed
--   server:call('DEL', key)              a client's plain command
--   server:block(client, key…)           BLPOP; the answer is fetched by receive()
--   server:copy()                        another server in the same state; cheap: values are shared
--                                        until one of the two writes to them
local redis = {}

local Server = {}
Server.__index = Server

local commands = {}
local unpack = table.unpack or unpack

-- ---- Errors: of Redis, which scripts may catch, and of the test, which nothing may ----

local function fail(text)
  error({err = text}, 0)
end

local function give_up(...)
  error({give_up = 'model: ' .. string.format(...)}, 0)
end

local function raise(failure)
  if type(failure) == 'table' and failure.give_up then error(failure.give_up, 0) end
  error(failure, 0)
end

-- ---- Values. Holds: only the server whose `stamp` is a value's owner writes to it ----

local empty_value = {
  zset = function() return {scores = {}, order = {}} end,
  hash = function() return {fields = {}, count = 0} end,
  list = function() return {items = {}} end,
}

local function clone(value)
  local made = {}
  for name, part in pairs(value) do
    if type(part) == 'table' and name ~= 'owner' then
      local copy = {}
      for k, v in pairs(part) do copy[k] = v end
      part = copy
    end
    made[name] = part
  end
  return made
end

local function read(server, key, kind)
  local value = server.keys[key]
  if value and value.kind ~= kind then
    fail('WRONGTYPE Operation against a key holding the wrong kind of value')
  end
  return value
end

local function write(server, key, kind)
  local value = read(server, key, kind)
  if value and value.owner == server.stamp then return value end
  value = value and clone(value) or empty_value[kind]()
  value.kind, value.owner = kind, server.stamp
  server.keys[key] = value
  return value
end

local function count_of(value)
  return value.count or #(value.order or value.items)
end

local function drop_if_empty(server, key)
  local value = server.keys[key]
  if value and count_of(value) == 0 then server.keys[key] = nil end
end

-- ---- Sorted sets ----

local function score_of(text)
  if text == '+inf' or text == 'inf' then return math.huge end
  if text == '-inf' then return -math.huge end
  return tonumber(text) or fail('ERR value is not a valid float')
end

local function score_text(score)
  if score == math.huge then return 'inf' end
  return string.format('%.17g', score)
end

-- How many members come before (score, member).
local function rank_of(zset, score, member)
  local low, high = 1, #zset.order + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    local other = zset.order[middle]
    local other_score = zset.scores[other]
    if other_score < score or (other_score == score and other < member) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low - 1
end

local function zset_remove(zset, member)
  local score = zset.scores[member]
  if not score then return 0 end
  table.remove(zset.order, rank_of(zset, score, member) + 1)
  zset.scores[member] = nil
  return 1
end

local function zset_put(zset, member, score)
  local added = 1 - zset_remove(zset, member)
  table.insert(zset.order, rank_of(zset, score, member) + 1, member)
  zset.scores[member] = score
  return added
end

local function bound_of(text)
  local open = string.sub(text, 1, 1) == '('
  return score_of(open and string.sub(text, 2) or text), open
end

-- How many members come before a score; with `equal` those that have it too.
local function count_below(zset, bound, equal)
  local low, high = 1, #zset.order + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    local score = zset.scores[zset.order[middle]]
    if score < bound or (equal and score == bound) then low = middle + 1 else high = middle end
  end
  return low - 1
end

-- The first rank and the one past the last of the members within the bounds, from 0.
local function ranks_between(zset, min_text, max_text)
  local min, min_open = bound_of(min_text)
  local max, max_open = bound_of(max_text)
  return count_below(zset, min, min_open), count_below(zset, max, not max_open)
end

local function members(zset, first, past, with_scores)
  local answer = {}
  for i = first + 1, math.min(past, #zset.order) do
    answer[#answer + 1] = zset.order[i]
    if with_scores then answer[#answer + 1] = score_text(zset.scores[zset.order[i]]) end
  end
  return answer
end

local function whole(text)
  local number = tonumber(text)
  if not number or number % 1 ~= 0 then fail('ERR value is not an integer or out of range') end
  return number
end

function commands.ZADD(server, key, ...)
  local words, first, condition = {...}, 1, nil
  if words[1] == 'LT' or words[1] == 'GT' then condition, first = words[1], 2 end
  if (#words - first) % 2 ~= 1 then fail('ERR syntax error') end
  for i = first, #words, 2 do words[i] = score_of(words[i]) end -- all, before the first is put
  local zset, added = write(server, key, 'zset'), 0
  for i = first, #words, 2 do
    local score, member = words[i], words[i + 1]
    local old = zset.scores[member] or score
    local kept = condition == 'LT' and score > old or condition == 'GT' and score < old
    if not kept then added = added + zset_put(zset, member, score) end
  end
  return added
end

function commands.ZREM(server, key, ...)
  if not read(server, key, 'zset') then return 0 end
  local zset, removed = write(server, key, 'zset'), 0
  for _, member in ipairs({...}) do removed = removed + zset_remove(zset, member) end
  drop_if_empty(server, key)
  return removed
end

function commands.ZCARD(server, key)
  local zset = read(server, key, 'zset')
  return zset and #zset.order or 0
end

function commands.ZSCORE(server, key, member)
  local zset = read(server, key, 'zset')
  local score = zset and zset.scores[member]
  return score and score_text(score) or false
end

function commands.ZMSCORE(server, key, ...)
  local answer = {}
  for i, member in ipairs({...}) do answer[i] = commands.ZSCORE(server, key, member) end
  return answer
end

function commands.ZRANK(server, key, member)
  local zset = read(server, key, 'zset')
  local score = zset and zset.scores[member]
  return score and rank_of(zset, score, member) or false
end

function commands.ZCOUNT(server, key, min, max)
  local zset = read(server, key, 'zset')
  if not zset then return 0 end
  local first, past = ranks_between(zset, min, max)
  return math.max(past - first, 0)
end

-- Ranks as the commands name them (negative: from the end) to the first and one past the last.
local function ranks_named(zset, start_text, stop_text)
  local start, stop = whole(start_text), whole(stop_text)
  if start < 0 then start = math.max(#zset.order + start, 0) end
  if stop < 0 then stop = #zset.order + stop end
  return start, stop + 1
end

function commands.ZRANGE(server, key, start, stop, option)
  if option and option ~= 'WITHSCORES' then give_up('ZRANGE … %s', option) end
  local zset = read(server, key, 'zset')
  if not zset then return {} end
  local first, past = ranks_named(zset, start, stop)
  return members(zset, first, past, option)
end

function commands.ZRANGEBYSCORE(server, key, min, max, ...)
  local words, i, with_scores, offset, limit = {...}, 1, false, 0, math.huge
  while words[i] do
    if words[i] == 'WITHSCORES' then
      with_scores, i = true, i + 1
    elseif words[i] == 'LIMIT' then
      offset, limit, i = whole(words[i + 1]), whole(words[i + 2]), i + 3
    else
      give_up('ZRANGEBYSCORE … %s', words[i])
    end
  end
  if offset < 0 or limit < 0 then give_up('ZRANGEBYSCORE with a negative LIMIT') end
  local zset = read(server, key, 'zset')
  if not zset then return {} end
  local first, past = ranks_between(zset, min, max)
  return members(zset, first + offset, math.min(past, first + offset + limit), with_scores)
end

function commands.ZREMRANGEBYRANK(server, key, start, stop)
  local zset = read(server, key, 'zset')
  if not zset then return 0 end
  local gone = members(zset, ranks_named(zset, start, stop))
  return #gone == 0 and 0 or commands.ZREM(server, key, unpack(gone))
end

function commands.ZREMRANGEBYSCORE(server, key, min, max)
  local zset = read(server, key, 'zset')
  if not zset then return 0 end
  local gone = members(zset, ranks_between(zset, min, max))
  return #gone == 0 and 0 or commands.ZREM(server, key, unpack(gone))
end

-- One step is the whole collection, as with those that are small.
local function check_scan(name, cursor, option)
  local fine = cursor == '0' and (not option or option == 'COUNT')
  if not fine then give_up('%s … %s', name, option or cursor) end
end

function commands.ZSCAN(server, key, cursor, option)
  check_scan('ZSCAN', cursor, option)
  local zset = read(server, key, 'zset')
  return {'0', zset and members(zset, 0, #zset.order, true) or {}}
end

-- ---- Hashes ----

function commands.HSET(server, key, ...)
  local words, added = {...}, 0
  if #words % 2 ~= 0 then fail("ERR wrong number of arguments for 'hset' command") end
  local hash = write(server, key, 'hash')
  for i = 1, #words, 2 do
    if not hash.fields[words[i]] then added = added + 1 end
    hash.fields[words[i]] = words[i + 1]
  end
  hash.count = hash.count + added
  return added
end

function commands.HSETNX(server, key, field, value)
  if commands.HGET(server, key, field) then return 0 end
  return commands.HSET(server, key, field, value)
end

function commands.HGETALL(server, key)
  local hash, found = read(server, key, 'hash'), {}
  for field, value in pairs(hash and hash.fields or {}) do
    found[#found + 1] = field
    found[#found + 1] = value
  end
  return found
end

function commands.HINCRBY(server, key, field, by)
  local sum = whole(commands.HGET(server, key, field) or '0') + whole(by)
  local hash = write(server, key, 'hash')
  if not hash.fields[field] then hash.count = hash.count + 1 end
  hash.fields[field] = string.format('%.0f', sum)
  return sum
end

function commands.HDEL(server, key, ...)
  if not read(server, key, 'hash') then return 0 end
  local hash, removed = write(server, key, 'hash'), 0
  for _, field in ipairs({...}) do
    if hash.fields[field] then
      hash.fields[field] = nil
      removed = removed + 1
    end
  end
  hash.count = hash.count - removed
  drop_if_empty(server, key)
  return removed
end

function commands.HGET(server, key, field)
  local hash = read(server, key, 'hash')
  return hash and hash.fields[field] or false
end

function commands.HMGET(server, key, ...)
  local hash, answer = read(server, key, 'hash'), {}
  for i, field in ipairs({...}) do answer[i] = hash and hash.fields[field] or false end
  return answer
end

function commands.HEXISTS(server, key, field)
  return commands.HGET(server, key, field) and 1 or 0
end

function commands.HSTRLEN(server, key, field)
  return #(commands.HGET(server, key, field) or '')
end

function commands.HLEN(server, key)
  local hash = read(server, key, 'hash')
  return hash and hash.count or 0
end

function commands.HSCAN(server, key, cursor, option)
  check_scan('HSCAN', cursor, option)
  local hash, names, found = read(server, key, 'hash'), {}, {}
  for name in pairs(hash and hash.fields or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    found[#found + 1] = name
    found[#found + 1] = hash.fields[name]
  end
  return {'0', found}
end

-- ---- Lists, and any key ----

function commands.LPUSH(server, key, ...)
  local list = write(server, key, 'list')
  for _, item in ipairs({...}) do table.insert(list.items, 1, item) end
  return #list.items
end

function commands.LLEN(server, key)
  local list = read(server, key, 'list')
  return list and #list.items or 0
end

function commands.DEL(server, ...)
  local removed = 0
  for _, key in ipairs({...}) do
    if server.keys[key] then removed = removed + 1 end
    server.keys[key] = nil
  end
  return removed
end
commands.UNLINK = commands.DEL

function commands.TYPE(server, key)
  local value = server.keys[key]
  return {ok = value and value.kind or 'none'}
end

function commands.TIME(server)
  local us = server.now_us % 1000000
  return {string.format('%.0f', (server.now_us - us) / 1000000), string.format('%.0f', us)}
end

-- Least and most words after the name (most nil: any number), which of them are keys ('first',
-- 'all', nil: none), and whether it writes: 'frees' may run though memory is full, 'grows' may not.
local shapes = {
  DEL = {1, nil, 'all', 'frees'}, UNLINK = {1, nil, 'all', 'frees'}, TYPE = {1, 1, 'first'},
  TIME = {0, 0}, LLEN = {1, 1, 'first'}, LPUSH = {2, nil, 'first', 'grows'},
  HDEL = {2, nil, 'first', 'frees'}, HEXISTS = {2, 2, 'first'}, HGET = {2, 2, 'first'},
  HINCRBY = {3, 3, 'first', 'grows'}, HLEN = {1, 1, 'first'}, HMGET = {2, nil, 'first'},
  HSCAN = {2, 4, 'first'}, HSET = {3, nil, 'first', 'grows'},
  HSETNX = {3, 3, 'first', 'grows'}, HGETALL = {1, 1, 'first'}, HSTRLEN = {2, 2, 'first'},
  ZADD = {3, nil, 'first', 'grows'}, ZCARD = {1, 1, 'first'}, ZCOUNT = {3, 3, 'first'},
  ZMSCORE = {2, nil, 'first'}, ZRANGE = {3, 4, 'first'}, ZRANGEBYSCORE = {3, 7, 'first'},
  ZRANK = {2, 2, 'first'}, ZREM = {2, nil, 'first', 'frees'}, ZSCAN = {2, 4, 'first'},
  ZREMRANGEBYRANK = {3, 3, 'first', 'frees'}, ZREMRANGEBYSCORE = {3, 3, 'first', 'frees'},
  ZSCORE = {2, 2, 'first'},
}

-- ---- Calling a command ----

local function as_text(word)
  if type(word) == 'string' then return word end
  if type(word) == 'number' then return string.format('%.17g', word) end
  fail('ERR Lua redis lib command arguments must be strings or integers')
end

local function check_keys(server, name, words, which)
  if not server.declared then return end
  for i = 1, which == 'all' and #words or which == 'first' and 1 or 0 do
    if not server.declared[words[i]] then give_up('%s of undeclared key %s', name, words[i]) end
  end
end

local function dispatch(server, name, ...)
  local shape, count = shapes[name], select('#', ...)
  if not shape then give_up('unknown command %s', tostring(name)) end
  if count < shape[1] or count > (shape[2] or math.huge) then
    fail(string.format("ERR wrong number of arguments for '%s' command", string.lower(name)))
  end
  local words = {...}
  for i = 1, count do words[i] = as_text(words[i]) end
  check_keys(server, name, words, shape[3])
  if shape[4] == 'grows' and server.full and not server.dirty then
    fail("OOM command not allowed when used memory > 'maxmemory'.")
  end
  if shape[4] then server.dirty = true end
  return commands[name](server, unpack(words, 1, count))
end

-- ---- Scripts ----

local running -- the server whose script runs

local api = {}

function api.call(name, ...)
  return dispatch(running, name, ...)
end

function api.pcall(name, ...)
  local fine, answer = pcall(dispatch, running, name, ...)
  if not fine and not (type(answer) == 'table' and answer.err) then error(answer, 0) end
  return answer
end

local function strict(_, name)
  give_up('a script reads or writes the global %s', tostring(name))
end

-- An expanded script. `keys` and `args` are the positions of what it names them.
function redis.compile(name, text)
  local script = {name = name, keys = {}, args = {}, key_count = 0, arg_count = 0}
  for known, array, at in string.gmatch('\n' .. text, '\nlocal ([%a_]+) = (%u+)%[(%d+)%]') do
    script[array == 'KEYS' and 'keys' or 'args'][known] = tonumber(at)
    local counter = array == 'KEYS' and 'key_count' or 'arg_count'
    script[counter] = script[counter] + 1
  end
  local env = {KEYS = {}, ARGV = {}, redis = api, unpack = unpack}
  for _, allowed in ipairs({'string', 'table', 'math', 'tonumber', 'tostring', 'type', 'ipairs',
    'pairs', 'next', 'select', 'error', 'pcall'}) do
    env[allowed] = _G[allowed]
  end
  setmetatable(env, {__index = strict, __newindex = strict})
  local chunk, problem
  if setfenv then
    chunk, problem = loadstring(text, '@' .. name)
    if chunk then setfenv(chunk, env) end
  else
    chunk, problem = load(text, '@' .. name, 't', env)
  end
  if not chunk then error(problem, 0) end
  script.env, script.chunk = env, chunk
  return script
end

-- What a client is given of a Lua value.
local function as_reply(value)
  local kind = type(value)
  if kind == 'number' then return value < 0 and math.ceil(value) or math.floor(value) end
  if kind == 'string' then return value end
  if kind == 'boolean' then return value and 1 or false end
  if kind ~= 'table' then return false end
  if value.err or value.ok then return value end
  local array = {}
  for i, item in ipairs(value) do array[i] = as_reply(item) end
  return array
end

-- A client that blocks on a key gets what was put there once the command that put it is over.
local function serve_blocked(server)
  local i = 1
  while server.blocked[i] do
    local waiting, served = server.blocked[i], false
    for _, key in ipairs(waiting.keys) do
      local list = server.keys[key]
      if list and list.kind == 'list' and not served then
        list = write(server, key, 'list')
        server:answer(waiting.client, {key, table.remove(list.items, 1)})
        drop_if_empty(server, key)
        served = true
      end
    end
    if not served then i = i + 1 end
  end
end

local function execute(server, call, ...)
  running, server.dirty = server, false
  local fine, answer = pcall(call, ...)
  server.declared, running = nil, nil
  if not fine then
    if type(answer) ~= 'table' or answer.give_up then raise(answer) end
    return answer
  end
  return as_reply(answer)
end

function Server:run(name, keys, argv)
  local script = self.scripts[name] or error('model: no script ' .. tostring(name), 0)
  self.declared = {}
  for _, key in ipairs(keys) do self.declared[key] = true end
  script.env.KEYS, script.env.ARGV = keys, argv
  local answer = execute(self, script.chunk)
  serve_blocked(self)
  return answer
end

function Server:call(name, ...)
  local answer = execute(self, dispatch, self, name, ...)
  serve_blocked(self)
  return answer
end

-- ---- Clients that block; what is on its way to them ----

local function without(list, client)
  local kept = {}
  for _, entry in ipairs(list) do
    if entry.client ~= client then kept[#kept + 1] = entry end
  end
  return kept
end

-- Ends a client's BLPOP; the answer is on its way until it is received.
function Server:answer(client, message)
  self.blocked = without(self.blocked, client)
  local mail = {}
  for name, letter in pairs(self.mail) do mail[name] = letter end
  mail[client] = message
  self.mail = mail
end

function Server:block(client, ...)
  local blocked = {}
  for i, entry in ipairs(self.blocked) do
    if entry.client == client then error('model: ' .. client .. ' is blocked already', 0) end
    blocked[i] = entry
  end
  blocked[#blocked + 1] = {client = client, keys = {...}}
  self.blocked = blocked
  serve_blocked(self)
end

function Server:is_blocked(client)
  for _, entry in ipairs(self.blocked) do
    if entry.client == client then return true end
  end
  return false
end

-- CLIENT UNBLOCK, and the end of a BLPOP's time: an empty answer, unless one was given before.
function Server:unblock(client)
  if self:is_blocked(client) then self:answer(client, {}) end
end

-- The client's connection is gone, and what was on its way to it with it.
function Server:disconnect(client)
  self:answer(client, nil)
end

-- What has come for a client: nil for nothing, {} for no element, {key, element}.
function Server:receive(client)
  local message = self.mail[client]
  if message then self:answer(client, nil) end
  return message
end

-- ---- Servers ----

function redis.new(scripts, now_us)
  return setmetatable({
    scripts = scripts, now_us = now_us, keys = {}, stamp = {}, blocked = {}, mail = {},
    full = false,
  }, Server)
end

function Server:copy()
  self.stamp = {} -- from here on both share all values
  local keys = {}
  for key, value in pairs(self.keys) do keys[key] = value end
  return setmetatable({
    scripts = self.scripts, now_us = self.now_us, keys = keys, stamp = {}, blocked = self.blocked,
    mail = self.mail, full = self.full,
  }, Server)
end

return redis
