-- What redis.lua answers to commands.lua. usage: lua exact.lua SEED COUNT
local here = string.match(arg[0], '^(.*)/[^/]*$') or '.'
package.path = here .. '/?.lua;' .. package.path
local redis = require('redis')

local file = assert(io.open(here .. '/commands.lua', 'rb'))
local scripts = {commands = redis.compile('commands', file:read('*a'))}
file:close()
local keys = {'zset', 'hash', 'list', 'none'}
local answer = redis.new(scripts, 0):run('commands', keys, {arg[1], arg[2]})
print(type(answer) == 'table' and answer.err or answer)
