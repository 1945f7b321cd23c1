-- When a member of a ZSET of due times is due, in µs; nil: never. unit: of the scores, in µs. Rounded up:
-- never early. What Lua cannot read is an infinity.
local function due_of(score, unit, latest)
  local at = math.ceil((tonumber(score) or math.huge) * tonumber(unit))
  if at == -math.huge or at > latest then return nil end
  return math.max(at, 0)
end
