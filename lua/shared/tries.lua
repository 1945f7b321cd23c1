-- What is remembered of a task that failed, or whose lease was extended:
--   failures ':' lease ':' extended ':' error
-- lease: the score under which the lease was given; extended: the score that it has now, empty once
-- the lease ended in a failure. So a receipt stays good through extensions, and a failure that is
-- reported again after a lost answer is recognized.
local function read_tries(entry)
  if not entry then return 0, '', '', '' end
  local failures, lease, extended, why = string.match(entry, '^(%d+):(%d*):(%d*):(.*)$')
  return tonumber(failures) or 0, lease or '', extended or '', why or ''
end
