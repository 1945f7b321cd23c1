#!/usr/bin/env bash
# dueq lock: a program under a lock, its status and environment, signals, losing the lock, who holds
# it, several servers.
# shellcheck disable=SC2317,SC2016 # some functions are called by name; the program's shell is to expand it
. "$(dirname "$0")/lib.sh"
start_main

# hold NAME WORD...: holds a lock in the background until `let_go`; its pid in $holder.
hold() {
    rm -f "$tmp/go" "$tmp/begun"
    "$DUEQ" lock "$@" -- sh -c 'echo $$ >"$1"; while [ ! -e "$2" ]; do sleep 0.01; done' sh \
        "$tmp/begun" "$tmp/go" </dev/null >"$tmp/hold.out" 2>"$tmp/hold.err" &
    holder=$!
    within 20 test -s "$tmp/begun"
}
let_go() {
    touch "$tmp/go"
    wait "$holder"
    held_status=$?
}

# ---- running a program
run lock a -- sh -c 'echo "$DUEQ_LOCK_NAME $DUEQ_LOCK_TOKEN"; exit 7'
is "the program's status" "$status" 7
is "stderr" "$(cat "$tmp/err")" ""
first=$(out | sed 's/^a //')
is "name and token" "$(out | sed 's/[0-9][0-9]*$/N/')" "a N"
is "released" "$(raw EXISTS a)" 0
run lock a -- sh -c 'echo "$DUEQ_LOCK_TOKEN"'
is "a larger token" "$(($(out) > first))" 1
run lock a -- sh -c 'kill -9 $$'
is "status of a killed program" "$status" 137
run lock a -- /nonexistent/program
ends 127 "cannot start /nonexistent/program"
run lock a -- /etc/passwd
ends 126 "cannot start /etc/passwd"
is "released after all that" "$(raw EXISTS a)" 0
run_with "from stdin" lock a -- cat
out_is "from stdin"
run lock a -- true --ttl nonsense
ok

# ---- while another holds it
hold a --owner 'the owner' --ttl 1m
run lock a -- true
ends 5 "the owner"
has "the message" "$(cat "$tmp/err")" "process $holder"
run lock a --wait 20ms -- true
is "status" "$status" 5
run lock a -E 75 -- true
is "status asked for" "$status" 75
run lock a --conflict-exit-code 0 -- false
is "status asked for" "$status" 0
run lock b -- echo another
ok
out_is "another"

# ---- who holds it
run lock a
ok
out_has "owner    the owner"
out_has "pid      $holder"
run --json lock a
ok
is "owner" "$(field owner)" "the owner"
is "pid" "$(field pid)" "$holder"
is "servers" "$(field servers)" 1
is "time left" "$(($(field left_ms) > 30000 && $(field left_ms) <= 60000))" 1
let_go
is "the holder's status" "$held_status" 0
run lock a
ends 3 'nobody holds the lock "a"'
is "stdout" "$(out)" ""
raw SET a theirs >/dev/null
run --json lock a
ok
is "another kind of locker" "$(out)" \
    '{"lock":"a","left_ms":null,"token":null,"host":"","pid":null,"owner":"theirs","servers":1}'
run lock a -- true
ends 5 "theirs"
raw DEL a >/dev/null

# The owner's text is the program's name alone: arguments may be secret.
run lock a -- sh -c '"$1" --json lock a' sh "$DUEQ"
is "owner by default" "$(field owner)" sh

# ---- waiting
hold a
"$DUEQ" lock a --wait forever -- echo waited </dev/null >"$tmp/waited" 2>&1 &
waiter=$!
let_go
wait "$waiter"
is "the waiter's status" $? 0
is "what the waiter ran" "$(cat "$tmp/waited")" waited
hold a
"$DUEQ" lock a --wait forever -- echo waited </dev/null >"$tmp/waited" 2>&1 &
waiter=$!
asked() {
    [ "$(raw INFO commandstats | sed -n 's/^cmdstat_pttl:calls=\([0-9]*\).*/\1/p')" -gt "$1" ]
}
calls=$(raw INFO commandstats | sed -n 's/^cmdstat_pttl:calls=\([0-9]*\).*/\1/p')
within 20 asked $((calls + 1))
kill -TERM "$waiter"
wait "$waiter"
is "status of a waiter that was told to stop" $? 143
is "what it ran" "$(cat "$tmp/waited")" ""
let_go

# ---- signals are passed on
rm -f "$tmp/begun"
"$DUEQ" lock a -- sh -c 'trap "exit 9" TERM; echo b >"$1"; while :; do sleep 0.01; done' sh \
    "$tmp/begun" </dev/null &
holder=$!
within 20 test -s "$tmp/begun"
kill -TERM "$holder"
wait "$holder"
is "the status that the program chose" $? 9
is "released" "$(raw EXISTS a)" 0

# ---- losing it: the program and what it started get the signal
hold a --ttl 500ms
raw SET a theirs >/dev/null
wait "$holder"
is "status when the lock was lost" $? 4
has "stderr" "$(cat "$tmp/hold.err")" 'dueq: lock "a" was lost while the command ran: '
is "the program" "$(kill -0 "$(cat "$tmp/begun")" 2>&1 | grep -c 'No such process')" 1
is "theirs" "$(raw GET a)" theirs
raw DEL a >/dev/null

rm -f "$tmp/begun"
"$DUEQ" lock a --ttl 500ms --signal USR1 --grace 50ms -- \
    sh -c 'trap "echo heard >>\"$1\"" USR1; echo b >"$1"; while :; do sleep 0.01; done' sh \
    "$tmp/begun" </dev/null 2>"$tmp/err" &
holder=$!
within 20 test -s "$tmp/begun"
raw DEL a >/dev/null
wait "$holder"
is "status when it had to be killed" $? 4
is "the signal asked for came first" "$(cat "$tmp/begun")" "b
heard"

# ---- dueq itself is killed: the program is not left alone with a lock that nobody renews
hold a --ttl 1m
kill -9 "$holder"
wait "$holder" 2>/dev/null
gone() {
    ! kill -0 "$(cat "$tmp/begun")"
}
within 20 gone
is "the program ended with it" $? 0
raw DEL a >/dev/null

# ---- several servers
start_server one
start_server two
gone_pid=$server_pid
three=(--url "unix:$tmp/main.sock" --url "unix:$tmp/one.sock" --url "unix:$tmp/two.sock")
run lock a "${three[@]}" -- sh -c '"$@"' sh "$DUEQ" lock a "${three[@]}"
ok
out_has "servers  3 of 3"
kill -9 "$gone_pid"
wait "$gone_pid" 2>/dev/null
run lock a "${three[@]}" -- echo still
ok
out_is still
raw SET a theirs >/dev/null
run lock a "${three[@]}" -- true
is "status" "$status" 5
run --url "unix:$tmp/main.sock" lock a --url "unix:$tmp/nowhere.sock" --url "unix:$tmp/two.sock"
ends 1 "1 of 3 servers are within reach, 2 are needed"
run lock a --url "unix:$tmp/one.sock" --url "unix:$tmp/one.sock"
ends 2 "named twice"
raw DEL a >/dev/null

# ---- usage
run lock
ends 2 "an operand is missing"
run lock a --
ends 2 "after -- a command is missing"
run lock a --ttl 1m
ends 2 "goes with a command"
run lock a --ttl 1ms -- true
ends 2 "--ttl: 1ms is not between 10ms and 7d"
run lock a --wait soon -- true
ends 2 "forever"
run lock a --signal NONE -- true
ends 2 "is no signal"
run lock 'a}b' -- true
ends 2 "lock name"
run lock a --owner "$(printf '%0257d' 0)" -- true
is "status" "$status" 1
run lock a -E 256 -- true
ends 2 "--conflict-exit-code: 256"
run --url "unix:$tmp/nowhere.sock" lock a -- true
is "status without a server" "$status" 1

finish
