-- How many bytes of a task record (doc/protocol.md) are payload.
local function payload_len(record)
  local flags = string.byte(record, 2)
  local head = 2
  if flags % 2 == 1 then head = head + 6 end
  if flags % 4 >= 2 then head = head + 3 end
  if flags % 8 >= 4 then
    local a, b, c = string.byte(record, head + 1, head + 3)
    head = head + 3 + a * 65536 + b * 256 + c
  end
  return #record - head
end
