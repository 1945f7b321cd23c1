-- Fails where a key has another type: called before the first write, so that nothing is half done.
local function check_types(zsets, hashes)
  for _, key in ipairs(zsets) do redis.call('ZCARD', key) end
  for _, key in ipairs(hashes) do redis.call('HLEN', key) end
end
