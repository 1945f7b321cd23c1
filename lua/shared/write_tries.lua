-- The entry that tries.lua reads.
local function write_tries(failures, lease, extended, why)
  return string.format('%d', failures) .. ':' .. lease .. ':' .. extended .. ':' .. why
end
