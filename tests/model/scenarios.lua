-- What is explored: so many workers with so many slots each, and how often each kind of event may
-- happen, at any point. Handlers may succeed at any time. `deep`: only when more time is granted.
-- `futile_max`: how many looks in a row may find nothing, where it is not the workers and two.
local ANY = math.huge
local NOW, SOON, LATER, FAR = 0, 23000, 437000, 20000000 -- no sums of them and the grace are equal

local near, all = {NOW, SOON, LATER}, {NOW, SOON, LATER, FAR}

return {
  {name = 'two workers', slots = {1, 1}, left = {push = 2, finish = ANY}, delays_us = all},
  {name = 'three workers', slots = {1, 1, 1}, left = {push_two = 1, finish = ANY},
    delays_us = near, futile_max = 6},
  {name = 'two slots each', slots = {2, 2}, left = {push_two = 1, finish = ANY}, delays_us = near},
  {name = 'a death', slots = {1, 1}, left = {push = 2, finish = ANY, death = 1}, delays_us = all},
  {name = 'two deaths of three', slots = {1, 1, 1}, left = {push = 1, finish = ANY, death = 2},
    delays_us = {SOON, FAR}},
  {name = 'a lost marker', slots = {1, 1}, left = {push = 2, finish = ANY, lose_marker = 1},
    delays_us = near},
  {name = 'a broken connection', slots = {1, 1}, left = {push = 2, finish = ANY, break_off = 1},
    delays_us = {NOW, SOON}},
  {name = 'the end of a BLPOP', slots = {1, 1}, left = {push = 2, finish = ANY, lapse = 1},
    delays_us = {NOW, SOON}},
  {name = 'a worker stops', slots = {1, 1}, left = {push = 2, finish = ANY, stop = 1},
    delays_us = near},
  {name = 'a taker who does not wait', slots = {1, 1},
    left = {push = 2, finish = ANY, stranger = 1}, delays_us = {NOW, SOON}},
  {name = 'a new time', slots = {1, 1}, left = {push = 1, finish = ANY, reschedule = 1, death = 1},
    delays_us = near},
  {name = 'a failure and a cancel', slots = {2, 1},
    left = {push = 1, finish = ANY, retry = 1, cancel = 1}, delays_us = near, futile_max = 5},
  {name = 'slow workers', slots = {1, 1}, left = {push = 2, finish = ANY, dawdle = 1},
    delays_us = {NOW, SOON}},

  {name = 'a deputy at work', deep = true, slots = {1, 1, 1}, left = {push = 2, death = 1},
    delays_us = {NOW, FAR}},
  {name = 'three pushes', deep = true, slots = {1, 1}, left = {push = 3, finish = ANY},
    delays_us = all},
  {name = 'three workers, two pushes', deep = true, slots = {1, 1, 1},
    left = {push = 2, finish = ANY}, delays_us = near},
  {name = 'two slots, three tasks', deep = true, slots = {2, 2},
    left = {push_two = 1, push = 1, finish = ANY}, delays_us = near},
  {name = 'a death of three', deep = true, slots = {1, 1, 1},
    left = {push = 2, finish = ANY, death = 1}, delays_us = {NOW, SOON}},
  {name = 'everything goes wrong', deep = true, slots = {1, 1}, left = {push = 2, finish = ANY,
    death = 1, lose_marker = 1, break_off = 1, lapse = 1}, delays_us = {NOW, SOON}},
}
