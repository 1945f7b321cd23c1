-- Waking up, tried in every way: what a state of the world may turn into, and what must hold of it
-- (doc/design.md, "Waking up").
--
-- Time passes only when no worker has anything to do, and then to the next moment that matters to
-- anybody: what is owed at once must be done with no time passing. The exception is `dawdle`.
local events = require('events')
local sameness = require('sameness')
local state = require('world')
local worker = require('worker')

local copy_of, head_us, scores, posts = state.copy_of, state.head_us, state.scores, state.posts
local find_worker, own_worker, copy_world = state.find_worker, state.own_worker, state.copy

local wakeup = {start = state.start, key = sameness.key, levels = state.levels}

-- ---- What must hold ----

-- How late a ready task is, if a worker could have taken it.
local function owed_us(world)
  if not world.idle_since_us then return 0 end
  local ready_us = math.min(head_us(world, 'due'), head_us(world, 'leased'))
  return world.server.now_us - math.max(ready_us, world.idle_since_us)
end

local function check_lateness(world)
  local setup, level = world.setup, state.levels[world.level]
  local late_us, bound_us = owed_us(world), setup.bounds_us[level.name]
  setup.latest_us[level.name] = math.max(setup.latest_us[level.name] or 0, late_us - world.slack_us)
  if late_us <= bound_us + world.slack_us then return end
  return string.format(
    'a ready task has waited %.3f s for an idle worker; the bound is %.3f s (%s)',
    late_us / 1e6, bound_us / 1e6, level.says)
end

-- One marker wakes one worker, and an idle look leads to few others: no herd, and no worker that
-- looks again and again at once.
local function check_looks(world, w, was_woken, stood_by_us)
  local setup = world.setup
  setup.futile_most = math.max(setup.futile_most, world.futile)
  if world.futile > setup.futile_max then
    return string.format('%d looks in a row found nothing, and nothing had happened', world.futile)
  end
  local since_us = stood_by_us and world.server.now_us - stood_by_us
  if since_us and not was_woken and since_us < setup.standby_gap_us then
    return string.format('%s stands by, and looks again after %.3f s unasked', w.name,
      since_us / 1e6)
  end
end

-- At most one is armed for the next moment, and relied upon.
local function check_armed(world, w, before)
  local armed, after = find_worker(world, before.armed_by), posts(world)
  if after.armed_by ~= w.name or not armed or armed.name == w.name then return end
  local relied_on = before.armed_until_us > world.server.now_us and armed.armed
  if relied_on and worker.is_idle(armed) and after.armed_at_us >= before.armed_at_us then
    return w.name .. ' is armed, for a moment that ' .. armed.name .. ' is armed too'
  end
end

-- The deputy sleeps longer than the armed worker that it knows of: it looks only if that one did
-- not.
local function check_posts(world)
  local post = posts(world)
  local armed, deputy = find_worker(world, post.armed_by), find_worker(world, post.deputy_by)
  if not (armed and deputy and armed.watches and deputy.watches) then return end
  local idle = worker.is_idle(armed) and worker.is_idle(deputy)
  if idle and deputy.look_us == armed.look_us and deputy.knows_us == post.armed_until_us then
    return 'the armed worker and its deputy sleep until the very same moment'
  end
end

-- ---- What a state may turn into ----

local function say_at(world, says)
  return string.format('%9.3f s  %s', (world.server.now_us - state.START_US) / 1e6, says)
end

local function note(world)
  state.note_gone(world)
  state.note_idle(world)
end

local function add_step(world, list, at, step)
  local made = copy_world(world)
  local w = own_worker(made, at)
  local was_woken, stood_by_us = w.woken, w.standby_us
  local held_before = #w.held
  local says, other_us = worker.take_step(made.setup, made.server, w, step)
  if step == 'take' then w.knows_us = w.watches and posts(made).armed_until_us end
  state.note_look(made, w, step)
  local wrong
  if step == 'take' and #w.held == held_before then
    made.futile = made.futile + 1
    wrong = check_looks(made, w, was_woken, stood_by_us) or check_armed(made, w, posts(world))
  end
  note(made)
  list[#list + 1] = {say_at(made, w.name .. ' ' .. says), made, wrong}
  if other_us and other_us ~= w.look_us then
    local later = copy_world(made)
    own_worker(later, at).look_us = other_us
    list[#list + 1] = {say_at(later, w.name .. ' ' .. says .. ', with some delay'), later, wrong}
  end
end

local function add_events(world, list)
  for _, name in ipairs(events.names) do
    local count = world.left[name] or 0
    for _, event in ipairs(count > 0 and events[name](world) or {}) do
      local made = copy_world(world)
      made.left = copy_of(world.left)
      made.left[name] = count - 1
      made.futile = 0
      event[2](made)
      if name ~= 'death' then
        made.calm_since_us, made.shaken = made.server.now_us, made.level > state.SOUND or nil
      end
      note(made)
      list[#list + 1] = {say_at(made, event[1]), made}
    end
  end
end

local function next_moment_us(world)
  local now_us, next_us = world.server.now_us, math.huge
  local function consider(at_us)
    if at_us > now_us and at_us < next_us then next_us = at_us end
  end
  for _, w in ipairs(world.workers) do consider(worker.next_moment_us(w)) end
  for _, name in ipairs({'due', 'leased'}) do
    local order, score = scores(world, name)
    for _, id in ipairs(order) do consider(score[id]) end
  end
  consider(posts(world).armed_until_us)
  return next_us
end

local function add_wait(world, list)
  local next_us = next_moment_us(world)
  if next_us == math.huge then return end
  local made = copy_world(world)
  state.judge(made)
  local wrong = check_posts(made)
  made.server.now_us = next_us
  made.futile = 0
  list[#list + 1] = {say_at(made, 'the next moment'), made, wrong or check_lateness(made)}
end

-- Nothing that matters can follow: nobody is left, or no task and none to come.
local function is_end(world)
  local alive = 0
  for _, w in ipairs(world.workers) do alive = alive + (w.alive and 1 or 0) end
  if alive == 0 then return true end
  local none = head_us(world, 'due') == math.huge and head_us(world, 'leased') == math.huge
  return none and (world.left.push or 0) == 0 and (world.left.push_two or 0) == 0
end

function wakeup.next(world)
  local list, busy = {}, false
  for i, w in ipairs(world.workers) do
    for _, step in ipairs(worker.next_steps(world.setup, world.server, w)) do
      busy = true
      add_step(world, list, i, step)
    end
  end
  if not busy and is_end(world) then return {} end
  add_events(world, list)
  if not busy then add_wait(world, list) end
  return list
end

return wakeup
