-- The server's clock, µs since the epoch: the only one that decides anything.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

-- Whole numbers as text: Lua's own tostring() loses digits past the 14th.
local function text(number)
  return string.format('%.0f', number)
end
