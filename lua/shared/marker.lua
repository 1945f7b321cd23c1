-- How many markers there are; -1 where `wake` is of another type, which costs lateness only.
local function marker_count()
  local number = redis.pcall('LLEN', wake)
  return type(number) == 'number' and number or -1
end

-- Leaves one marker for the idle workers, who block on `wake`; never more than one at a time. A
-- full server may refuse it, which costs lateness only.
local function leave_marker()
  if marker_count() == 0 then redis.pcall('LPUSH', wake, '1') end
end
