#!/usr/bin/env bash
# dueq demo: ends well, tells the truth in JSON, leaves nothing behind, not even when interrupted.
# shellcheck disable=SC2317 # some functions are called by name
. "$(dirname "$0")/lib.sh"
start_main

run demo --tasks 300 --seconds 1
is "status" "$status" 0
is "stderr" "$(cat "$tmp/err")" ""
out_has "was killed with SIGKILL"
out_has "Verdict"
out_has "Good:"
run --json demo --tasks 300 --seconds 1 --workers 2
is "status" "$status" 0
is "lines" "$(out | wc -l)" 1
for fact in tasks:300 pushed:300 delivered:300 done:300 early:0 lost:0 damaged:0 left:0; do
    is "${fact%:*}" "$(field "${fact%:*}")" "${fact#*:}"
done
is "deliveries again are explained" "$(field again)" "$(field explained)"
is "verdict" "$(field verdict)" good
run queues
out_is ""
is "temporary folders" "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -user "$(id -u)" -name 'dueq-demo-*' -newer "$tmp/home" | wc -l)" 0

# ---- interrupted
export TMPDIR=$tmp/folders
mkdir "$TMPDIR"
"$DUEQ" demo --seconds 100 >"$tmp/out" 2>"$tmp/err" &
demo=$!
is_working() {
    grep -q "^start" "$TMPDIR"/dueq-demo-*/records
}
within 20 is_working
children=$(cat "/proc/$demo/task/$demo/children")
is "worker processes" "$(echo "$children" | wc -w)" 3
kill -TERM "$demo"
wait "$demo"
status=$? ran="demo, interrupted"
ends 1 interrupted
run queues
out_is ""
is "files left" "$(ls "$TMPDIR")" ""
for child in $children; do
    is "worker $child is gone" "$(kill -0 "$child" 2>/dev/null && echo there)" ""
done

# ---- a server that says no
run --url "unix:$tmp/nowhere.sock" demo
ends 1 nowhere.sock

finish
