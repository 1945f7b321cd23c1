#!/usr/bin/env bash
# dueq take, done, release, retry, extend: a task in somebody's hands.
# shellcheck disable=SC2317 # some functions are called by name
. "$(dirname "$0")/lib.sh"
start_main

# ---- nothing there
run take mail
ends 3
out_is ""
run push mail later --in 1h -q
run take mail
ends 3
run take mail --wait 1ms
ends 3

# ---- take
run push mail hello --id one --header kind=x
run take mail --lease 1m
ok
is "keys" "$(out | grep -o '"[a-z_]*":' | tr -d '":' | tr '\n' ' ')" \
    "id receipt attempt token due_ms pushed_ms payload headers kind "
out_has '"id":"one"'
out_has '"payload":"hello"'
out_has '"headers":{"kind":"x"}'
is "attempt" "$(field attempt)" 1
receipt=$(field receipt)
run take mail
ends 3
run --json get mail one
is "state" "$(field state)" leased

# ---- extend, release, retry, done
run extend mail "$receipt" --lease 1h
ok
out_is ""
run --json get mail one
is "minutes left" $((($(field deadline_ms) - $(date +%s000)) / 60000 >= 58)) 1
run release mail "$receipt"
ok
run "done" mail "$receipt"
ends 4 "the lease has ended"
run take mail
is "attempt after a release" "$(field attempt)" 1
receipt=$(field receipt)
run retry mail "$receipt" --error "no route" --in 0s
ok
run --json get mail one
is "error" "$(field error)" "no route"
is "attempts" "$(field attempts)" 1
run take mail
is "attempt after a retry" "$(field attempt)" 2
receipt=$(field receipt)
run --json "done" mail "$receipt"
ok
out_is "{\"receipt\":\"$receipt\",\"outcome\":\"done\"}"
run get mail one
ends 3 "task one: there is none in mail"
for verb in "done" release "extend --lease 1m" retry; do
    # shellcheck disable=SC2086 # a verb may have options
    run ${verb%% *} mail "$receipt" ${verb#"${verb%% *}"}
    ends 4 "the lease has ended"
done
run --json retry mail "$receipt"
is "status" "$status" 4
out_is "{\"receipt\":\"$receipt\",\"outcome\":\"lost\"}"

# ---- dead: at once, and when attempts are used up
run push mail bad --id hopeless
run take mail
run --json retry mail "$(field receipt)" --dead --error "cannot be"
ok
out_has '"outcome":"dead"'
run --json get mail hopeless
is "state" "$(field state)" dead
run push mail bad --id tired --max-attempts 1
run take mail
run retry mail "$(field receipt)"
ends 0 "the task is dead"
run --json get mail tired
is "state" "$(field state)" dead

# ---- an error of any size and any bytes
run push mail x --id noisy
run take mail
run retry mail "$(field receipt)" --error "$(printf 'bad \033[31m\377 '; head -c 5000 /dev/zero | tr '\0' e)"
ok
run get mail noisy
ok
out_has 'error     bad \x1b[31m\xff eeee'
run --json get mail noisy
is "bytes kept" "$(field error_base64 | base64 -d | wc -c)" 1024
run cancel mail noisy

# ---- receipts that are none of ours: nothing is done
run push mail x --id held
run take mail
receipt=$(field receipt)
for forged in "${receipt%?}" "A$receipt" "$(echo "$receipt" | tr 'a-y' 'b-z')" AAAA x; do
    run "done" mail "$forged"
    is "status of a forged receipt" $((status == 2 || status == 4)) 1
    is "lines on stderr" "$(wc -l <"$tmp/err")" 1
done
run "done" other "$receipt"
is "status of another queue's receipt" $((status == 2 || status == 4)) 1
run --json get mail held
is "state" "$(field state)" leased
run "done" mail "$receipt"
ok

# ---- receipts from stdin: bare, or the lines that take printed
seq 1 2500 | "$DUEQ" push pipe --lines -q
"$DUEQ" take pipe -n 2500 >"$tmp/taken"
is "taken" "$(wc -l <"$tmp/taken")" 2500
"$DUEQ" extend pipe --lease 1h <"$tmp/taken" >"$tmp/out" 2>"$tmp/err"
status=$?
ok
sed 's/.*"receipt":"\([^"]*\)".*/\1/' "$tmp/taken" >"$tmp/receipts"
"$DUEQ" "done" pipe - <"$tmp/receipts" >"$tmp/out" 2>"$tmp/err"
status=$?
ok
stat_is pipe "done" 2500
"$DUEQ" "done" pipe <"$tmp/receipts" >"$tmp/out" 2>"$tmp/err"
is "status" $? 4
is "told" "$(wc -l <"$tmp/err")" 2500
run_with 'AAAA\nno receipt\n' "done" pipe
ends 2 "is not a receipt"
run_with '{"id":"x"}\n' "done" pipe
ends 2 "neither a receipt nor a task"
run_with '' "done" pipe
ok

# ---- waiting: a push ends it
"$DUEQ" take wake --wait 20s >"$tmp/woken" &
taker=$!
is_waiting() {
    raw CLIENT LIST | grep -q 'flags=b\|cmd=bzpopmin\|cmd=blpop\|cmd=eval'
}
within 10 is_waiting
run push wake up
wait "$taker"
is "status" $? 0
has "what it took" "$(cat "$tmp/woken")" '"payload":"up"'

# ---- bytes come back as they were
head -c 100000 /dev/urandom >"$tmp/noise"
"$DUEQ" push bytes -q <"$tmp/noise"
run take bytes
is "payload" "$(field payload_base64 | base64 -d | cksum)" "$(cksum <"$tmp/noise")"

# ---- what cannot be printed is not kept
run push full x
"$DUEQ" take full >/dev/full 2>"$tmp/err"
is "status" $? 1
has "stderr" "$(cat "$tmp/err")" "cannot write to standard output: No space left on device"
stat_is full ready 1
stat_is full leased 0

finish
