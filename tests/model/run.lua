-- Explores waking up (wakeup.lua) with the scripts of a build, or with planted bugs.
--
-- usage: lua run.lua SOURCE BUILD scenarios|planted [--deep | SCENARIO]
--
-- SOURCE: the source tree, whose C files are asked for their constants. BUILD: a build folder,
-- which has the expanded scripts. --deep: the larger scenarios too, minutes instead of seconds.
local here = string.match(arg[0], '^(.*)/[^/]*$') or '.'
package.path = here .. '/?.lua;' .. package.path
local explore, redis, wakeup = require('explore'), require('redis'), require('wakeup')

local source, build, what, only = arg[1], arg[2], arg[3], arg[4]
if what ~= 'scenarios' and what ~= 'planted' then
  io.stderr:write('usage: lua run.lua SOURCE BUILD scenarios|planted [--deep | SCENARIO]\n')
  os.exit(2)
end

local function contents(path)
  local file = assert(io.open(path, 'rb'))
  local text = file:read('*a')
  file:close()
  return text
end

-- ---- What the model takes from the code ----

local script_names = {'create', 'push', 'take', 'done', 'retry', 'extend', 'reschedule', 'cancel'}

local function load_texts()
  local texts = {}
  for _, name in ipairs(script_names) do
    texts[name] = contents(build .. '/generated/lua/' .. name .. '.lua')
  end
  return texts
end

local take_c = contents(source .. '/src/queue/take.c')
local listen_c = contents(source .. '/src/queue/listen.c')

local function constant(text, name)
  return tonumber(string.match(text, name .. ' = (%d+)')) or error('no constant ' .. name, 0)
end

-- worker.lua has these numbers.
assert(string.find(take_c, 'enum { ROLE_NONE, ROLE_ARMED, ROLE_DEPUTY, ROLE_STANDBY };', 1, true),
  'the roles of take.c are not those of worker.lua')

-- And this one stands in both.
assert(constant(contents(source .. '/lua/take.lua'), 'SLEEP_MAX_US') ==
  constant(take_c, 'LOOK_MAX_US') + constant(take_c, 'STANDBY_JITTER_US'),
  'take.lua and take.c do not agree on how long anybody sleeps')

-- What doc/design.md promises, in µs: how long a ready task may wait though a worker is idle.
local bounds_us = {
  sound = 0, armed_died = 50000, both_died = 500000, told = 500000, deaf = 1000000,
  untold = 15250000, lost = 15250000,
}

local key_prefix = 'dueq:{q:0}:'

local function make_setup(texts, changes)
  local look_max_us = constant(take_c, 'LOOK_MAX_US')
  local setup = {
    scripts = {}, keys_of = {}, key_prefix = key_prefix, bounds_us = bounds_us,
    look_max_us = look_max_us, calm_us = look_max_us, standby_gap_us = 250000,
    standby_min_us = constant(take_c, 'STANDBY_MIN_US'),
    standby_jitter_us = constant(take_c, 'STANDBY_JITTER_US'),
    listen_again_us = constant(listen_c, 'AGAIN_US'),
    lease_ms = 30000, retry_us = 23000,
    latest_us = {}, futile_most = 0,
  }
  for name, text in pairs(texts) do
    local script, keys = redis.compile(name, text), {}
    for key, at in pairs(script.keys) do keys[at] = key_prefix .. key end
    setup.scripts[name], setup.keys_of[name] = script, keys
  end
  for field, value in pairs(changes or {}) do setup[field] = value end
  return setup
end

local STATES_MAX = 3000000

local function run(setup, scenario)
  setup.futile_max = scenario.futile_max or #scenario.slots + 2
  return explore.all({
    start = wakeup.start(setup, scenario), next = wakeup.next, key = wakeup.key,
    states_max = STATES_MAX,
  })
end

-- ---- Telling ----

local failed = 0

local function fail(text, story)
  failed = failed + 1
  print('not so: ' .. text)
  for _, line in ipairs(story or {}) do print('    ' .. line) end
end

local function bounds_text(setup)
  local parts = {}
  for _, level in ipairs(wakeup.levels) do
    local latest_us = setup.latest_us[level.name]
    if latest_us then parts[#parts + 1] = string.format('%s %g s', level.name, latest_us / 1e6) end
  end
  return table.concat(parts, ', ')
end

local scenarios = require('scenarios')

local function find_scenario(name)
  for _, scenario in ipairs(scenarios) do
    if scenario.name == name then return scenario end
  end
  error('no scenario ' .. name, 0)
end

local function is_asked_for(scenario)
  if only == '--deep' then return true end
  return only and scenario.name == only or not only and not scenario.deep
end

local function run_scenario(texts, scenario)
  local setup, started = make_setup(texts), os.clock()
  local result = run(setup, scenario)
  print(string.format('%-28s %7d states %8d steps %5.1f s  latest: %s; futile looks %d',
    scenario.name, result.states, result.steps, os.clock() - started, bounds_text(setup),
    setup.futile_most))
  if result.wrong then fail(scenario.name .. ': ' .. result.wrong, result.story) end
  return result.states
end

local function run_scenarios()
  local texts, states = load_texts(), 0
  for _, scenario in ipairs(scenarios) do
    if is_asked_for(scenario) then states = states + run_scenario(texts, scenario) end
  end
  print(states .. ' states')
  if states == 0 then fail('there is no scenario ' .. tostring(only)) end
end

-- The texts with the bug; nil where there is no such place any more.
local function plant(bug)
  local texts = load_texts()
  if not bug.this then return texts end
  local text, from, to = texts[bug.script], string.find(texts[bug.script], bug.this, 1, true)
  if not from or string.find(text, bug.this, to + 1, true) then return nil end
  texts[bug.script] = string.sub(text, 1, from - 1) .. bug.that .. string.sub(text, to + 1)
  return texts
end

local function is_one_of(text, patterns)
  for pattern in string.gmatch(patterns, '[^|]+') do
    if string.find(text, pattern, 1, true) then return true end
  end
  return false
end

local function hunt(bug, texts)
  local result = run(make_setup(texts, bug.setup), find_scenario(bug.scenario))
  local says = result.wrong or 'NOT FOUND'
  print(string.format('%-52s %6d states  %s', bug.name, result.states, says))
  if not (result.wrong and is_one_of(result.wrong, bug.finds)) then
    fail(bug.name .. ': not found in the scenario "' .. bug.scenario .. '"', result.story)
  end
end

local function run_planted()
  local bugs = require('planted')
  for _, bug in ipairs(bugs) do
    local texts = plant(bug)
    if texts then
      hunt(bug, texts)
    else
      fail(bug.name .. ': its text is not in the script ' .. bug.script .. ' exactly once')
    end
  end
  print(#bugs .. ' planted')
end

if what == 'scenarios' then run_scenarios() else run_planted() end
os.exit(failed == 0 and 0 or 1)
