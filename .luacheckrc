-- The scripts as the build packs them: one flat chunk a script, run by the server.
std = "lua51+lua54"
max_line_length = false -- a packed script's locals are the build's
globals = {}
read_globals = { "redis", "KEYS", "ARGV", "cjson", "cmsgpack", "bit", "struct", "unpack" }
ignore = {
  "211/[A-Z_]+", -- outcome numbers come as a set, used or not
  "211/text", -- as it comes with the clock
}
