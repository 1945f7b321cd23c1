-- The worker as a small machine: what src/work/loop.c, src/queue/wait.c and src/queue/take.c do
-- with one queue of one partition, one exchange with the server a step. Knows the scripts only by
-- what they are asked and answer, and nothing of how steps are explored.
--
-- A worker, as fields of a flat table (copied at each step; entries of `held` are never changed):
--   name slots alive stopping   who, how many tasks at a time, whether it runs, or is to end
--   held                        tasks: {id, lease, renew_us, verdict (nil: its handler runs)}
--   open                        its queue is worth a look: the next thing is a take
--   resting                     it has turned to other things: it takes its BLPOP back, and disarms
--   listening                   a BLPOP is outstanding
--   marker                      one that came too late, to be passed on
--   armed                       the last take gave it a post: armed, or deputy
--   watches                     and its next look is for that, not just because it has slept long
--   knows_us                    until when the armed worker was relied upon, at that take
--   woken more look_us          why and when it looks again
--   deaf_until_us               its listening connection broke: no other before
--   standby_us                  when it last became one who stands by; nil: it does not
local worker = {}

local ROLE_ARMED, ROLE_DEPUTY, ROLE_STANDBY = 1, 2, 3
local BYTES_MAX = 8 * 1024 * 1024

function worker.new(name, slots)
  return {
    name = name, slots = slots, alive = true, held = {}, open = true, look_us = 0,
    deaf_until_us = 0,
  }
end

function worker.copy(w)
  local made = {}
  for field, value in pairs(w) do made[field] = value end
  made.held = {}
  for i, task in ipairs(w.held) do made.held[i] = task end
  return made
end

function worker.free_slots(w)
  return w.slots - #w.held
end

-- Whether it could take a task: then no ready one may wait long.
function worker.is_idle(w)
  return w.alive and not w.stopping and worker.free_slots(w) > 0
end

-- Runs a script with its arguments by name, as the library does; `rest`: what follows them.
function worker.ask(setup, server, name, args, rest)
  local script = server.scripts[name]
  local argv = {}
  args.partitions = '1'
  for arg, at in pairs(script.args) do
    argv[at] = args[arg] or error('model: ' .. name .. ' wants ' .. arg, 0)
  end
  for _, word in ipairs(rest or {}) do argv[#argv + 1] = word end
  local answer = server:run(name, setup.keys_of[name], argv)
  if answer.err then error('model: ' .. name .. ' failed: ' .. answer.err, 0) end
  return answer
end

local function renewal_us(setup, server)
  return server.now_us + math.floor(setup.lease_ms * 1000 / 3)
end

local function take(setup, server, w, want, stays)
  return worker.ask(setup, server, 'take', {
    want = tostring(want), bytes_max = tostring(BYTES_MAX), least = '1', waiter = w.name,
    lease_ms = tostring(setup.lease_ms), attempts_max = '0', stays = stays,
  })
end

-- ---- The steps: each is one exchange with the server, and says in words what came of it. A second
-- result: another look_us that chance might have drawn ----

local steps = {}

-- take.c, look_at_us(): when to look again; by chance also the second result.
local function look_again_us(setup, now_us, look_in_us, role)
  local latest = now_us + setup.look_max_us
  if look_in_us < 0 or look_in_us > setup.look_max_us then look_in_us = setup.look_max_us end
  if role == ROLE_STANDBY then look_in_us = math.max(look_in_us, setup.standby_min_us) end
  local soonest = math.min(now_us + look_in_us, latest)
  if role == ROLE_ARMED or role == ROLE_DEPUTY then return soonest end
  return soonest, math.min(now_us + look_in_us + setup.standby_jitter_us, latest)
end

local role_names = {[0] = 'without a post', 'armed', 'deputy', 'standing by'}

function steps.take(setup, server, w)
  local answer = take(setup, server, w, worker.free_slots(w), 'room')
  local lease, role, more = answer[3], answer[5], answer[6] == 1
  local ready, records = answer[7], answer[8]
  for i in ipairs(records) do
    local renew_us = renewal_us(setup, server)
    w.held[#w.held + 1] = {id = ready[2 * i - 1], lease = lease, renew_us = renew_us}
  end
  local other_us
  w.look_us, other_us = look_again_us(setup, server.now_us, answer[4], role)
  w.armed = role == ROLE_ARMED or role == ROLE_DEPUTY or nil
  w.watches = w.armed and answer[4] < setup.look_max_us or nil
  w.standby_us = role == ROLE_STANDBY and server.now_us or nil
  w.woken, w.more, w.open = nil, more or nil, more or nil
  if setup.ignores_more then w.more, w.open = nil, nil end
  local found = #records > 0 and 'takes ' .. #records or 'finds nothing'
  return string.format('looks: %s, %s', found, role_names[role]), other_us
end

-- A look that wants nothing and does not stay: the script sees to it that another comes if needed.
local function leave_to_others(setup, server, w)
  w.armed = nil
  take(setup, server, w, 0, 'no')
end

function steps.pass_on(setup, server, w)
  w.marker, w.woken = nil, nil
  if not setup.swallows_marker then leave_to_others(setup, server, w) end
  return 'passes its marker on'
end

function steps.disarm(setup, server, w)
  if setup.forgets_disarm then
    w.armed = nil
  else
    leave_to_others(setup, server, w)
  end
  return 'says that it is no longer to be relied upon'
end

function steps.listen(setup, server, w)
  server:block(w.name, setup.key_prefix .. 'wake')
  w.listening = true
  return 'listens'
end

function steps.hear(_, server, w)
  local message = server:receive(w.name)
  w.listening = nil
  if #message == 0 then return 'hears that its BLPOP is over' end
  w.woken = true
  return 'is woken by a marker'
end

function steps.unblock(_, server, w)
  server:unblock(w.name)
  w.listening = nil
  if #server:receive(w.name) == 2 then w.marker = true end
  return w.marker and 'stops listening: a marker had just come' or 'stops listening'
end

local function pick(w, verdict)
  local kept, picked = {}, {}
  for _, task in ipairs(w.held) do
    local list = task.verdict == verdict and picked or kept
    list[#list + 1] = task
  end
  w.held = kept
  return picked
end

-- The words of done.lua: runs of one lease, and then the ids in the same order.
local function done_words(tasks)
  table.sort(tasks, function(a, b)
    return a.lease < b.lease or (a.lease == b.lease and a.id < b.id)
  end)
  local runs, words, ids = 0, {}, {}
  for i, task in ipairs(tasks) do
    if i == 1 or task.lease ~= tasks[i - 1].lease then
      runs = runs + 1
      words[2 * runs - 1], words[2 * runs] = 0, task.lease
    end
    words[2 * runs - 1] = words[2 * runs - 1] + 1
    ids[i] = task.id
  end
  for i = 1, runs do words[2 * i - 1] = tostring(words[2 * i - 1]) end
  for _, id in ipairs(ids) do words[#words + 1] = id end
  return tostring(runs), words
end

local function retry_words(setup, tasks)
  local words = {}
  for _, task in ipairs(tasks) do
    for _, word in ipairs({task.id, task.lease, tostring(setup.retry_us), '0', '0', 'failed'}) do
      words[#words + 1] = word
    end
  end
  return words
end

function steps.report(setup, server, w)
  local done = pick(w, 'done')
  if #done > 0 then
    local runs, words = done_words(done)
    worker.ask(setup, server, 'done', {runs = runs}, words)
  else
    worker.ask(setup, server, 'retry', {}, retry_words(setup, pick(w, 'retry')))
  end
  if w.resting then w.resting, w.open = nil, true end
  return #done > 0 and 'reports tasks done' or 'reports tasks failed'
end

function steps.renew(setup, server, w)
  local ids, leases, kept = {}, {}, {}
  for _, task in ipairs(w.held) do ids[#ids + 1], leases[#leases + 1] = task.id, task.lease end
  for _, lease in ipairs(leases) do ids[#ids + 1] = lease end
  local answer = worker.ask(setup, server, 'extend', {lease_ms = tostring(setup.lease_ms)}, ids)
  for i, task in ipairs(w.held) do
    if #answer == 1 or answer[i + 1] == 0 then
      local renew_us = renewal_us(setup, server)
      kept[#kept + 1] = {
        id = task.id, lease = task.lease, renew_us = renew_us, verdict = task.verdict,
      }
    end
  end
  w.held = kept
  if w.resting and worker.free_slots(w) > 0 then w.resting, w.open = nil, true end
  return 'renews its leases'
end

-- ---- Which come next ----

local function has_report(w)
  for _, task in ipairs(w.held) do
    if task.verdict then return true end
  end
  return false
end

local function renew_at_us(w)
  local at_us = math.huge
  for _, task in ipairs(w.held) do at_us = math.min(at_us, task.renew_us) end
  return at_us
end

local function is_listener(w)
  return worker.free_slots(w) > 0 and not w.stopping
end

-- The turn of the loop that needs no server: from work to rest.
function worker.settle(w)
  if not w.alive or w.resting or is_listener(w) or has_report(w) then return end
  w.resting, w.open, w.more = true, nil, nil
end

-- Resting is done in one go; only then does the worker hear what happened meanwhile.
local function rest_step(setup, w)
  if w.woken and not setup.forgets_heard then return 'pass_on' end
  if w.listening and not setup.listens_on then return 'unblock' end
  if w.marker then return 'pass_on' end
  if w.armed then return 'disarm' end
end

function worker.is_over(setup, w)
  return w.resting and w.stopping and #w.held == 0 and not rest_step(setup, w)
end

-- The names of the steps that it may take now, in any order; none while it waits.
function worker.next_steps(setup, server, w)
  local list, now_us = {}, server.now_us
  if not w.alive then return list end
  local resting = w.resting and rest_step(setup, w)
  if resting then return {resting} end
  if has_report(w) then list[1] = 'report' end
  if renew_at_us(w) <= now_us then list[#list + 1] = 'renew' end
  if not is_listener(w) then return list end
  local may_hear = w.listening and server.mail[w.name] and not (w.open or w.woken or w.more)
  if w.open or w.woken or w.more or w.look_us <= now_us then
    list[#list + 1] = 'take'
  elseif not w.listening and w.deaf_until_us <= now_us then
    list[#list + 1] = 'listen'
  end
  if may_hear then list[#list + 1] = 'hear' end
  return list
end

-- When it does something of itself, though nothing happens.
function worker.next_moment_us(w)
  if not w.alive then return math.huge end
  local at_us = renew_at_us(w)
  if not is_listener(w) then return at_us end
  if not w.listening then at_us = math.min(at_us, w.deaf_until_us) end
  return math.min(at_us, w.look_us)
end

function worker.take_step(setup, server, w, name)
  local says, other_us = steps[name](setup, server, w)
  worker.settle(w)
  return says, other_us
end

return worker
