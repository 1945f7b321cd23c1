-- One state of the world in which waking up is tried: a server with one queue, its workers, and what
-- is known of how they fare. Knows nothing of what may happen, nor of what must hold.
local worker = require('worker')
local redis = require('redis')

local state = {}

state.START_US = 1700000000000000
state.SENTINEL_LEN = 256

-- What has gone wrong, and is not over. Each has its bound (setup.bounds_us): for so long a ready
-- task may wait though a worker is idle.
local SOUND, ARMED_DIED, BOTH_DIED, TOLD, DEAF, UNTOLD, LOST = 1, 2, 3, 4, 5, 6, 7
state.DEAF, state.LOST, state.SOUND = DEAF, LOST, SOUND
state.levels = {
  {name = 'sound', says = 'nothing has failed'},
  {name = 'armed_died', says = 'the armed worker died in its sleep'},
  {name = 'both_died', says = 'the armed worker and its deputy died in their sleep'},
  {name = 'told', says = 'the armed worker died before all the others had looked'},
  {name = 'deaf', says = 'a listening connection broke'},
  {name = 'untold', says = 'the armed worker died, and who was told of its moment too, or nobody was'},
  {name = 'lost', says = 'a marker was lost'},
}

local function copy_of(flat)
  local made = {}
  for k, v in pairs(flat) do made[k] = v end
  return made
end

-- ---- The world ----
-- server, workers      copied when they change
-- left                 how often each kind of event may still happen
-- delays_us            the delays of pushes to come
-- tasks                how many were pushed
-- level                what has gone wrong
-- idle_since_us        since when some worker is idle; nil: none is
-- calm_since_us        since when nothing but deaths happened
-- shaken               something happened after the armed worker's death
-- untold               nobody else listened when one was armed: it has heard its own marker
-- deaths               how many have died
-- futile               looks for nothing since time passed or something happened
-- slack_us             how much time was dawdled away

local function key_name(world, name)
  return world.setup.key_prefix .. name
end

local function scores(world, name)
  local value = world.server.keys[key_name(world, name)]
  return value and value.order or {}, value and value.scores or {}
end

local function head_us(world, name)
  local order, score = scores(world, name)
  return score[order[1]] or math.huge
end

local function posts(world)
  local fields = world.server.keys[key_name(world, 'meta')].fields
  return {
    armed_by = fields.armed_by or '', armed_at_us = tonumber(fields.armed_at) or 0,
    armed_until_us = tonumber(fields.armed_until) or 0,
    deputy_by = fields.deputy_by or '', deputy_until_us = tonumber(fields.deputy_until) or 0,
  }
end

local function find_worker(world, name)
  for _, w in ipairs(world.workers) do
    if w.name == name then return w end
  end
end

function state.start(setup, scenario)
  local server = redis.new(setup.scripts, state.START_US)
  local world = {setup = setup, server = server, workers = {}, left = copy_of(scenario.left),
    delays_us = scenario.delays_us,
    tasks = 0, level = SOUND, futile = 0, deaths = 0, slack_us = 0, idle_since_us = state.START_US,
    calm_since_us = state.START_US}
  worker.ask(setup, server, 'create', {max_attempts = '1000', lease_ms = tostring(setup.lease_ms),
    payload_max = '1000', dead_max = '1000', dead_age_ms = '0', retention_ms = '0'})
  for i, slots in ipairs(scenario.slots) do
    world.workers[i] = worker.new(string.char(64 + i), slots)
  end
  return world
end

function state.copy(world)
  local made = copy_of(world)
  made.server = world.server:copy()
  made.workers = copy_of(world.workers)
  return made
end

-- A worker of a copied world, to be changed.
function state.own_worker(world, at)
  world.workers[at] = worker.copy(world.workers[at])
  return world.workers[at]
end

-- ---- What is known of it at each step ----

local function note_idle(world)
  for _, w in ipairs(world.workers) do
    if worker.is_idle(w) then
      world.idle_since_us = world.idle_since_us or world.server.now_us
      return
    end
  end
  world.idle_since_us = nil
end

-- Markers given to the dead are lost; those who are through are gone.
local function note_gone(world)
  for i, w in ipairs(world.workers) do
    if w.alive and worker.is_over(world.setup, w) then
      state.own_worker(world, i).alive = false
      world.server:disconnect(w.name)
    elseif not w.alive and world.server.mail[w.name] then
      world.server:disconnect(w.name)
      world.level = LOST
    end
  end
end

local function is_relied_on_dead(world, post)
  local armed = find_worker(world, post.armed_by)
  return armed and not armed.alive and post.armed_until_us > world.server.now_us
end

local function is_watched(world)
  local next_us = math.min(head_us(world, 'due'), head_us(world, 'leased'))
  if next_us == math.huge then return true end
  for _, w in ipairs(world.workers) do
    if worker.is_idle(w) and w.look_us <= next_us then return true end
  end
  return false
end

local function is_deaf(world)
  for _, w in ipairs(world.workers) do
    local closed = w.deaf_until_us > world.server.now_us or worker.is_idle(w)
    if w.alive and not w.listening and closed then return true end
  end
  return false
end

-- Once nothing but deaths has happened for as long as anybody sleeps, all have looked, and know.
local function is_calm(world)
  return world.server.now_us - world.calm_since_us >= world.setup.calm_us
end

local function note_death(world)
  local post = posts(world)
  local deputy = find_worker(world, post.deputy_by)
  local both = deputy and not deputy.alive
  local means = both and world.level == ARMED_DIED and BOTH_DIED or SOUND
  world.deaths = world.deaths + 1
  if world.deaths > 1 and world.level == TOLD then means = UNTOLD end
  if is_relied_on_dead(world, post) then
    local nobody_knows = world.untold or world.deaths > 1
    means = is_calm(world) and (both and BOTH_DIED or ARMED_DIED) or nobody_knows and UNTOLD or TOLD
  end
  world.level = math.max(world.level, means)
end

-- A worker has looked, or heard a marker; it had a post before or not.
local function note_look(world, w, step)
  local post = posts(world)
  local armed = post.armed_by == w.name
  if step == 'hear' and armed and w.armed then
    world.untold = true
  elseif step == 'take' and not armed and post.armed_until_us > world.server.now_us then
    world.untold = nil
  end
end

-- Before time passes: whether all is as it should be again.
local function judge(world)
  local post = posts(world)
  if is_relied_on_dead(world, post) then
    local deputy = find_worker(world, post.deputy_by)
    local watches = deputy and worker.is_idle(deputy) and deputy.look_us <= post.armed_until_us
    if world.shaken and not watches then
      world.level = math.max(world.level, world.untold and UNTOLD or TOLD)
    end
  elseif is_watched(world) and not is_deaf(world) then
    world.level, world.shaken = SOUND, nil
  end
end

state.copy_of = copy_of
state.key_name = key_name
state.scores = scores
state.head_us = head_us
state.posts = posts
state.find_worker = find_worker
state.note_gone = note_gone
state.note_idle = note_idle
state.note_death = note_death
state.note_look = note_look
state.judge = judge

return state
