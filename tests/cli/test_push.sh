#!/usr/bin/env bash
# dueq push, one task at a time: where the payload comes from, what is printed, what the policies do.
. "$(dirname "$0")/lib.sh"
start_main

# payload_of ID: what get says, through JSON.
payload_of() {
    run --json get mail "$1"
    field payload
}

# ---- the payload
run push mail hello
ok
is "length of a made id" "$(out | tr -d '\n' | wc -c)" 14
is "payload" "$(payload_of "$(out)")" hello
run_with 'from stdin\n' push mail --id stdin
ok
is "payload" "$(payload_of stdin)" 'from stdin\n'
run_with 'dash' push mail - --id dash
ok
is "payload" "$(payload_of dash)" dash
run push mail "" --id empty
ok
run push mail --id empty2
ok
is "payload" "$(payload_of empty)$(payload_of empty2)" ""
run push mail --id option -- --in
ok
is "payload" "$(payload_of option)" --in
run_with '\0377\0000\0001x' push mail --id bytes
ok
run --json get mail bytes
out_has '"payload_base64":"/wABeA=="'
run_with 'a\0000b' push mail --id nul
run --json get mail nul
out_has '"payload":"a\u0000b"'

# ---- sizes
head -c 1048576 /dev/zero >"$tmp/largest"
"$DUEQ" push mail --id largest <"$tmp/largest" >/dev/null
is "status of 1 MiB" $? 0
run --json get mail largest
is "payload of 1 MiB" "$(out | grep -o 'u0000' | wc -l)" 1048576
head -c 1048577 /dev/zero | "$DUEQ" push mail --id larger >"$tmp/out" 2>"$tmp/err"
status=$? ran="push of 1 MiB and a byte"
ends 1 1048576
out_is ""
run get mail larger
ends 3

# ---- what is printed
run push mail x --quiet
ok
out_is ""
run --json push mail x --id j1
ok
out_is '{"id":"j1","outcome":"pushed"}'
run --json push mail x --id "$(printf '\377')"
ok
out_is '{"id_base64":"/w==","outcome":"pushed"}'

# ---- the time
run push mail x --id later --in 1h30m
ok
run --json get mail later
is "state" "$(field state)" waiting
delay_ms=$(($(field due_ms) - $(field pushed_ms))) # from the making of the push, or its arrival
is "a delay of 90 min, not $delay_ms ms" $((delay_ms >= 5399999 && delay_ms < 5430000)) 1
run push mail x --id at --at 2030-01-02T03:04:05.678Z
ok
run --json get mail at
is "due" "$(field due_ms)" 1893553445678
run push mail x --id unix --at @1893553445.5
ok
run --json get mail unix
is "due" "$(field due_ms)" 1893553445500
for past in 2001-01-01T00:00:00Z @0 1900-01-01T00:00:00Z; do
    run push mail x --id "past $past" --at "$past"
    ok
    run --json get mail "past $past"
    is "state" "$(field state)" ready
done

# ---- headers and attempts
run push mail x --id headers --header kind=welcome --header Lang=de=AT --header e= --max-attempts 3
ok
run --json get mail headers
out_has '"headers":{"kind":"welcome","Lang":"de=AT","e":""}'
is "max_attempts" "$(field max_attempts)" 3
run push mail x --id odd --header "h=$(printf 'a\377')"
ok
run --json get mail odd
out_has '"headers":{"h":{"base64":"Yf8="}}'

# ---- the id exists
run push mail first --id twin --in 1h
ok
run push mail second --id twin --in 2h
ends 5 "task twin exists"
out_is twin
is "payload after keep" "$(payload_of twin)" first
run --json push mail second --id twin
is "status" "$status" 5
out_is '{"id":"twin","outcome":"exists"}'
run push mail second --id twin --if-exists fail
ends 5 twin
out_is ""
is "payload after fail" "$(payload_of twin)" first
run push mail third --id twin --if-exists replace --in 3h
ok
is "payload after replace" "$(payload_of twin)" third
run push mail x --id twin --if-exists earliest --in 1h
ok
run --json get mail twin
is "hours after earliest" $((($(field due_ms) - $(date +%s000) + 1800000) / 3600000)) 1
run push mail x --id twin --if-exists latest --in 5h
ok
run --json get mail twin
is "hours after latest" $((($(field due_ms) - $(date +%s000) + 1800000) / 3600000)) 5
is "payload after latest" "$(payload_of twin)" third

finish
