-- A member no id can be (it is longer), in every ZSET and HASH from the start: it keeps the keys in
-- existence, and out of the encoding for small collections, whose scans cost more.
local SENTINEL = string.rep('~', 256)
