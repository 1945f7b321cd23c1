-- A task is now due at `at`: a marker, unless a worker is armed to look no later than that.
local function announce(at, armed_at, armed_until)
  if (tonumber(armed_until) or 0) <= now or at < (tonumber(armed_at) or 0) then leave_marker() end
end
