-- When two states of the world have the same future: times count from now, and which of several
-- like workers or tasks it is does not matter.
local state = require('world')
local events = require('events')
local worker = require('worker')

local key_name, scores, posts = state.key_name, state.scores, state.posts
local MS = 1000

-- Past times matter only by their order, and by how long somebody was idle since.
local function since(world, at_us)
  if at_us == math.huge then return 'inf' end
  return math.max(at_us, world.idle_since_us or world.server.now_us) - world.server.now_us
end

local function to_come(world, at_us)
  return at_us > world.server.now_us and at_us - world.server.now_us or '-'
end

local function add_tasks(world, out, places, name)
  local order, score = scores(world, name)
  for i, id in ipairs(order) do
    if #id < state.SENTINEL_LEN then
      places[id] = name .. i
      out[#out + 1] = since(world, score[id])
    end
  end
  out[#out + 1] = '/'
end

local function held_text(world, w, places)
  local out = {}
  local tries = world.server.keys[key_name(world, 'tries')].fields
  local _, score = scores(world, 'leased')
  for i, task in ipairs(w.held) do
    local now_score = score[task.id] and string.format('%.0f', score[task.id])
    local stands = now_score == task.lease or string.find(tries[task.id] or '', task.lease, 1, true)
    out[i] = (places[task.id] or '?') .. (stands and '+' or '-') .. (task.verdict or '') .. ':' ..
      to_come(world, task.renew_us)
  end
  return table.concat(out, ',')
end

local function worker_text(world, w, places)
  local mail = world.server.mail[w.name]
  local standby_us = w.standby_us
    and math.min(world.server.now_us - w.standby_us, world.setup.standby_gap_us)
  return table.concat({
    w.slots, w.stopping and 's' or '', w.open and 'o' or '', w.resting and 'r' or '',
    w.listening and 'l' or '', w.marker and 'm' or '', w.armed and (w.watches and 'A' or 'a') or '',
    w.woken and 'w' or '', w.more and '+' or '', mail and 'i' .. #mail or '',
    worker.is_idle(w) and to_come(world, w.look_us) or '', to_come(world, w.deaf_until_us),
    standby_us or '', w.watches and to_come(world, w.knows_us) or '',
    held_text(world, w, places),
  }, ' ')
end

-- Living workers in the order of their texts, the dead after them; returns places by name.
local function add_workers(world, out, places)
  local texts, names = {}, {}
  for i, w in ipairs(world.workers) do
    texts[w.name] = w.alive and worker_text(world, w, places) or '~'
    names[i] = w.name
  end
  table.sort(names, function(a, b)
    if texts[a] ~= texts[b] then return texts[a] < texts[b] end
    return a < b
  end)
  local at = {}
  for i, name in ipairs(names) do
    at[name] = i
    out[#out + 1] = texts[name]
  end
  return at
end

local function calm_text(world)
  return math.min(world.server.now_us - world.calm_since_us, world.setup.calm_us)
end

-- A text: equal for states with the same future.
local function key(world)
  local server, out, places = world.server, {}, {}
  add_tasks(world, out, places, 'due')
  add_tasks(world, out, places, 'leased')
  local at = add_workers(world, out, places)
  local post = posts(world)
  local relied = post.armed_until_us > server.now_us
  out[#out + 1] = table.concat({
    at[post.armed_by] or '-', relied and post.armed_at_us - server.now_us or '-',
    to_come(world, post.armed_until_us), at[post.deputy_by] or '-',
    to_come(world, post.deputy_until_us),
  }, ' ')
  for _, entry in ipairs(server.blocked) do out[#out + 1] = 'b' .. at[entry.client] end
  local fields = server.keys[key_name(world, 'meta')].fields
  out[#out + 1] = table.concat({
    server.keys[key_name(world, 'wake')] and 'm' or '', server.now_us % MS,
    to_come(world, tonumber(fields.token) or 0), world.level, world.futile, world.slack_us,
    world.shaken and 's' or '', world.untold and 'u' or '', (world.left.death or 0) > 0 and calm_text(world) or '',
  }, ' ')
  for _, name in ipairs(events.names) do out[#out + 1] = world.left[name] or '' end
  return table.concat(out, '|')
end

return {key = key}
