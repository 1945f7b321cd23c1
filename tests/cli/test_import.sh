#!/usr/bin/env bash
# dueq import: what is refused, a dry run, the move, what stays and how that is told, following.
. "$(dirname "$0")/lib.sh"
start_main

tomorrow=$(($(date +%s) + 86400))
fill() {
    raw ZADD jobs "$tomorrow" later 1 overdue 2 held >/dev/null
    raw SET lock:held token PX 100000 >/dev/null
}

# ---- Refused before anything is sent
run import
ends 2 "--zset KEY"
run import --zset jobs
ends 2 "--into QUEUE"
run import --zset jobs --into '{mail}' --no-locks
ends 2
run import --zset jobs --into mail
ends 2 "--lock-prefix PREFIX, or --no-locks"
run import --zset jobs --into mail --lock-prefix lock: --no-locks
ends 2 "exclude each other"
run import --zset jobs --into mail --no-locks --follow --dry-run
ends 2 "exclude each other"
run import --zset jobs --into mail --no-locks --wait soon
ends 2 "neither a duration"
run import --zset jobs --into mail --no-locks --unit us
ends 2
run import jobs --zset jobs --into mail --no-locks
ends 2 "too much"

# ---- A dry run
fill
run import --zset jobs --into mail --lock-prefix lock: --dry-run
ok
out_has "would move  2"
out_has "overdue     1"
out_has "held        1"
is "members afterwards" "$(raw ZCARD jobs)" 3
run queues
out_is ""

# ---- The move
run --json import --zset jobs --into mail --lock-prefix lock:
is "status: one is held" "$status" 5
is "moved" "$(field moved)" 2
is "held" "$(field held)" 1
is "the last due time" "$(field last_due_ms)" "$((tomorrow * 1000))"
is "members afterwards" "$(raw ZRANGE jobs 0 -1)" held
stat_is mail ready 1
stat_is mail waiting 1
raw DEL lock:held >/dev/null
run import --zset jobs --into mail --lock-prefix lock:
ok
out_has "moved       1"
run take mail -n 10
ok
is "payloads in due order" "$(out | sed 's/.*"payload":"\([^"]*\)".*/\1/' | paste -sd' ')" \
    "overdue held"

# ---- What cannot be a task, and the wrong unit
raw ZADD jobs +inf never >/dev/null
run import --zset jobs --into mail --no-locks
is "status: one stays" "$status" 1
out_has "undated     1"
raw DEL jobs >/dev/null
raw ZADD jobs "$tomorrow" later >/dev/null
run import --zset jobs --into mail --no-locks --unit ms
is "status" "$status" 2
has "stderr" "$(cat "$tmp/err")" "looks like seconds"

# ---- Following: what is added moves, until it is stopped
"$DUEQ" import --zset jobs --into other --no-locks --follow --poll 5ms >"$tmp/out" 2>"$tmp/err" &
follower=$!
# shellcheck disable=SC2317 # called by within
moved() { [ "$(raw ZCARD 'dueq:{other:0}:due')" = "$1" ]; }
is "the first moved" "$(within 20 moved 2 && echo yes)" yes # the sentinel counts
raw ZADD jobs 1 another >/dev/null
is "what was added moved" "$(within 20 moved 3 && echo yes)" yes
kill -TERM "$follower"
wait "$follower"
status=$?
ran="dueq import --follow"
ok
out_has "moved       2"

finish
