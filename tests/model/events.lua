-- What may happen to the workers from outside, beside time: each kind of event by its name in a
-- scenario's `left`, as a function that gives the ways in which it may happen now: {says,
-- does(world)}. `does` changes a world that was copied for it. Knows nothing of what must hold.
local state = require('world')
local worker = require('worker')

local copy_of, key_name, scores = state.copy_of, state.key_name, state.scores
local own_worker = state.own_worker

local MS = 1000
local DAWDLE_US = 10 * MS -- less than the grace
local RECORD = '\1\0' -- of version 1, without fields or payload

local events = {}

local function push(world, delays_us)
  local argv = {}
  for _ = 1, #delays_us do
    world.tasks = world.tasks + 1
    argv[#argv + 1] = 't' .. world.tasks
    argv[#argv + 1] = RECORD
  end
  for _, delay_us in ipairs(delays_us) do argv[#argv + 1] = tostring(delay_us) end
  worker.ask(world.setup, world.server, 'push', {policy = 'keep', distinct = '1'}, argv)
end

local function pushes_of(delays_us)
  local says = {}
  for i, delay_us in ipairs(delays_us) do
    says[i] = delay_us == 0 and 'due now' or string.format('due in %g ms', delay_us / MS)
  end
  return {'a push: ' .. table.concat(says, ', '), function(world) push(world, delays_us) end}
end

function events.push(world)
  local list = {}
  for i, delay_us in ipairs(world.delays_us) do list[i] = pushes_of({delay_us}) end
  return list
end

function events.push_two(world)
  local soon_us = world.delays_us[2]
  return {pushes_of({0, 0}), pushes_of({0, soon_us}), pushes_of({soon_us, soon_us})}
end

local function each_worker(world, list, wanted, says, does)
  for i, w in ipairs(world.workers) do
    if wanted(w) then
      list[#list + 1] = {w.name .. ' ' .. says, function(made) does(made, own_worker(made, i)) end}
    end
  end
  return list
end

local function kill(world, w)
  local holds_marker = w.marker or w.woken or #(world.server.mail[w.name] or {}) == 2
  if holds_marker then world.level = state.LOST end
  w.alive = false
  state.note_death(world)
end

function events.death(world)
  local function lives(w) return w.alive end
  local list = each_worker(world, {}, lives, 'dies', function(made, w)
    kill(made, w)
    made.server:disconnect(w.name)
  end)
  local function is_blocked(w) return w.alive and world.server:is_blocked(w.name) end
  return each_worker(world, list, is_blocked, 'dies, and the server does not know', kill)
end

function events.stop(world)
  return each_worker(world, {}, function(w) return w.alive and not w.stopping end, 'is to stop',
    function(_, w)
      w.stopping = true
      worker.settle(w)
    end)
end

-- Its listening connection breaks.
function events.break_off(world)
  return each_worker(world, {}, function(w) return w.alive and w.listening end,
    'finds its listening connection broken', function(made, w)
      local lost = #(made.server.mail[w.name] or {}) == 2
      made.level = math.max(made.level, lost and state.LOST or state.DEAF)
      made.server:disconnect(w.name)
      w.listening, w.deaf_until_us = nil, made.server.now_us + made.setup.listen_again_us
    end)
end

-- The server's time-out of a BLPOP.
function events.lapse(world)
  local function is_blocked(w) return w.alive and world.server:is_blocked(w.name) end
  return each_worker(world, {}, is_blocked, 'is told that its BLPOP is over', function(made, w)
    made.server:unblock(w.name)
  end)
end

function events.lose_marker(world)
  local wake = key_name(world, 'wake')
  if not world.server.keys[wake] then return {} end
  return {{'the list of markers is deleted', function(made)
    made.server:call('DEL', wake)
    made.level = state.LOST
  end}}
end

local function waiting_ids(world)
  local list = {}
  for _, id in ipairs(scores(world, 'due')) do
    if #id < state.SENTINEL_LEN then list[#list + 1] = id end
  end
  return list
end

function events.reschedule(world)
  local list = {}
  for _, id in ipairs(waiting_ids(world)) do
    for _, delay_us in ipairs(world.delays_us) do
      local says = string.format('%s is rescheduled: due in %g ms', id, delay_us / MS)
      list[#list + 1] = {says, function(made)
        worker.ask(made.setup, made.server, 'reschedule', {when = tostring(delay_us)}, {id})
      end}
    end
  end
  return list
end

function events.cancel(world)
  local list = {}
  for _, id in ipairs(waiting_ids(world)) do
    list[#list + 1] = {id .. ' is cancelled', function(made)
      worker.ask(made.setup, made.server, 'cancel', {}, {id})
    end}
  end
  return list
end

-- Somebody who does not wait takes a task, and never finishes it.
function events.stranger()
  return {{'a stranger takes one task', function(made)
    worker.ask(made.setup, made.server, 'take', {want = '1', bytes_max = '1000', least = '1',
      waiter = 'stranger', lease_ms = tostring(made.setup.lease_ms), attempts_max = '0',
      stays = 'no'})
  end}}
end

local function finish_events(world, list, verdict, says)
  for i, w in ipairs(world.workers) do
    for at, task in ipairs(w.alive and w.held or {}) do
      if not task.verdict then
        list[#list + 1] = {string.format('the handler of %s at %s %s', task.id, w.name, says),
          function(made)
            local mine = own_worker(made, i)
            local answered = copy_of(task)
            answered.verdict = verdict
            mine.held[at] = answered
          end}
      end
    end
  end
  return list
end

function events.finish(world)
  return finish_events(world, {}, 'done', 'succeeds')
end

function events.retry(world)
  return finish_events(world, {}, 'retry', 'fails')
end

-- Time passes though somebody has something to do: nobody is infinitely fast.
function events.dawdle()
  return {{string.format('%g ms pass', DAWDLE_US / MS), function(made)
    made.server.now_us = made.server.now_us + DAWDLE_US
    made.slack_us = made.slack_us + DAWDLE_US
  end}}
end

-- In the order in which they are tried.
events.names = {
  'push', 'push_two', 'finish', 'retry', 'death', 'stop', 'break_off', 'lapse', 'lose_marker',
  'reschedule', 'cancel', 'stranger', 'dawdle',
}

return events
