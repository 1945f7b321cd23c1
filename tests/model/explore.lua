-- Every state that can be reached, breadth first, each once: so that the first thing found wrong
-- has the shortest story. Knows nothing of what the states are.
local explore = {}

local function story(node)
  local lines = {}
  while node do
    table.insert(lines, 1, node.says)
    node = node.before
  end
  return lines
end

-- start: a state. key(state): its text; equal texts, equal futures. next(state): an array of
-- {says, state, wrong (nil: fine)}. states_max: more is a failure, not a shorter search.
-- Returns {states, steps, wrong, story}.
function explore.all(search)
  local seen = {[search.key(search.start)] = true}
  local queue, first, last = {{says = 'at the start', state = search.start}}, 1, 1
  local result = {states = 1, steps = 0}
  while first <= last do
    local node = queue[first]
    queue[first] = nil
    first = first + 1
    local followers = search.next(node.state)
    node.state = nil
    for _, follower in ipairs(followers) do
      result.steps = result.steps + 1
      local made = {says = follower[1], before = node}
      if follower[3] then
        result.wrong, result.story = follower[3], story(made)
        return result
      end
      local key = search.key(follower[2])
      if not seen[key] then
        seen[key] = true
        made.state = follower[2]
        last = last + 1
        queue[last] = made
        result.states = result.states + 1
      end
    end
    if result.states > search.states_max then
      result.wrong, result.story = 'more states than allowed: ' .. search.states_max, story(node)
      return result
    end
  end
  return result
end

return explore
