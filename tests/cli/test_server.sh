#!/usr/bin/env bash
# dueq server, and the private server that commands fall back to when no URL is given.
. "$(dirname "$0")/lib.sh"
server_program >/dev/null || exit 77
dir=$XDG_STATE_HOME/dueq

run server status
is "status" "$status" 3
out_is "not running"
run --json server status
is "status" "$status" 3
out_has '"running":false,"started":false,"pid":null'
run server stop
ends 3 "no private server was running"

# ---- the first command starts it and says so, later ones share it
run push mail hello --id one
ends 0 "started a private server in $dir (no --url, no DUEQ_URL)"
out_is one
run stats mail
ok
DUEQ_URL='' run stats mail
ok
run server status
ok
out_has "running"
out_has "$dir"
run --json server start
ok
out_has '"running":true,"started":false'
url=unix:$(field socket)
run --url "$url" --json get mail one
ok
is "payload by its socket" "$(field payload)" hello
is "the folder's mode" "$(stat -c %a "$dir")" 700
run --url local: queues
ok
out_is mail

# ---- stop, and the data is there when it starts again
run server stop
ok
run server status
is "status" "$status" 3
run --json get mail one
is "status" "$status" 0
is "payload" "$(field payload)" hello
has "stderr" "$(cat "$tmp/err")" "started a private server"
run server stop
ok

# ---- a folder of one's own
run server start --dir "$tmp/other"
ok
out_has started
run --url "local:$tmp/other" push q x -q
ok
run server stop --dir "$tmp/other"
ok
run server stop --dir "$tmp/other"
ends 3

# ---- no server program
PATH=/nonexistent DUEQ_SERVER='' run push mail x
is "status" "$status" 1
has "stderr" "$(cat "$tmp/err")" "install"

finish
