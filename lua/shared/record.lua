-- Task records (doc/protocol.md): version, flags, the fields that are there, the payload.

-- The task's own limit of attempts, or the one given.
local function attempts_limit(record, otherwise)
  local flags = string.byte(record, 2)
  if flags % 4 < 2 then return otherwise end
  local at = flags % 2 == 1 and 9 or 3
  local a, b, c = string.byte(record, at, at + 2)
  return a * 65536 + b * 256 + c
end
