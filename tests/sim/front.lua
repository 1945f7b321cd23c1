-- The server's front: a client's words in, its answer in the protocol's bytes out, on the model of
-- tests/model/redis.lua. Knows of connections only their numbers.
--
--   front = dofile('front.lua')(model folder, {name = expanded script …}, {digest = name …})
local function make(model_dir, texts, name_of)
  package.path = model_dir .. '/?.lua;' .. package.path
  local redis = require('redis')
  local scripts, by_text, digest_of = {}, {}, {}
  for name, text in pairs(texts) do scripts[name] = redis.compile(name, text) end
  for digest, name in pairs(name_of) do digest_of[name] = digest end

  local server = redis.new(scripts, 0)
  local front = {server = server, known = {}, refusal = nil, calls = 0}

  -- The library sends a script's text as it was packed, planted bug or not: it names the script.
  function front.learn(text, name)
    by_text[text] = name
  end

  local function encode(value, out)
    local kind = type(value)
    if kind == 'number' then
      out[#out + 1] = string.format(':%.0f\r\n', value)
    elseif kind == 'string' then
      out[#out + 1] = '$' .. #value .. '\r\n' .. value .. '\r\n'
    elseif kind ~= 'table' then
      out[#out + 1] = '$-1\r\n'
    elseif value.err then
      out[#out + 1] = '-' .. value.err .. '\r\n'
    elseif value.ok then
      out[#out + 1] = '+' .. value.ok .. '\r\n'
    else
      out[#out + 1] = '*' .. #value .. '\r\n'
      for i = 1, #value do encode(value[i], out) end
    end
    return out
  end

  local function bytes_of(value)
    return table.concat(encode(value, {}))
  end

  local commands = {}

  function commands.CLIENT(client, what, id)
    if what == 'SETNAME' then return {ok = 'OK'} end
    if what == 'ID' then return client end
    if what == 'UNBLOCK' then
      local name = 'c' .. id
      local was_blocked = server:is_blocked(name)
      server:unblock(name)
      return was_blocked and 1 or 0
    end
    return {err = "ERR unknown subcommand '" .. tostring(what) .. "'"}
  end

  function commands.INFO()
    return '# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n'
  end

  local function run_script(name, number, ...)
    local keys, argv, words = {}, {}, {...}
    for i = 1, number do keys[i] = words[i] end
    for i = number + 1, #words do argv[i - number] = words[i] end
    if front.refusal then return {err = front.refusal} end
    front.calls = front.calls + 1
    return server:run(name, keys, argv)
  end

  function commands.EVALSHA(_, digest, number, ...)
    if not front.known[digest] then return {err = 'NOSCRIPT No matching script. Use EVAL.'} end
    return run_script(name_of[digest], tonumber(number), ...)
  end

  function commands.EVAL(_, text, number, ...)
    local name = by_text[text] or error('front: a script that nobody knows', 0)
    if front.refusal then return {err = front.refusal} end
    front.known[digest_of[name]] = true
    return run_script(name, tonumber(number), ...)
  end

  -- The answer to a client's command, and how long it may block at most (s) where there is none yet.
  function front.command(client, now_us, words)
    local name = string.upper(words[1])
    server.now_us = now_us
    if front.loading and name ~= 'CLIENT' then
      return '-LOADING Redis is loading the dataset in memory\r\n'
    end
    if name == 'BLPOP' then
      local keys = {}
      for i = 2, #words - 1 do keys[i - 1] = words[i] end
      server:block('c' .. client, unpack(keys))
      return nil, tonumber(words[#words])
    end
    local run = commands[name]
    if run then return bytes_of(run(client, unpack(words, 2))) end
    return bytes_of(server:call(name, unpack(words, 2)))
  end

  -- What has come for a client that blocks; nil: nothing.
  function front.mail(client)
    local message = server:receive('c' .. client)
    if not message then return nil end
    return #message == 0 and '*-1\r\n' or bytes_of(message)
  end

  function front.unblock(client)
    server:unblock('c' .. client)
  end

  function front.disconnect(client)
    server:disconnect('c' .. client)
  end

  -- A crash: what was written is there again, and nothing else.
  function front.restart()
    front.known = {}
    server.blocked, server.mail = {}, {}
  end

  -- Waiting, ready and leased tasks, without the sentinels.
  function front.alive(queue, partitions)
    local sum = 0
    for p = 0, partitions - 1 do
      for _, name in ipairs({'due', 'leased'}) do
        sum = sum + server:call('ZCARD', string.format('dueq:{%s:%d}:%s', queue, p, name)) - 1
      end
    end
    return sum
  end

  return front
end

return make
