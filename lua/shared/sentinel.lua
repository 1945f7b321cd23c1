local function add_sentinels()
  for _, key in ipairs({due, leased, dead, gone}) do redis.call('ZADD', key, '+inf', SENTINEL) end
  for _, key in ipairs({body, tries}) do redis.call('HSET', key, SENTINEL, '') end
end
