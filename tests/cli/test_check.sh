#!/usr/bin/env bash
# dueq doctor and fsck: a fit server and an unfit one, a sound queue and a broken one.
. "$(dirname "$0")/lib.sh"
start_main --maxmemory-policy noeviction

# ---- doctor
run doctor
is "status: no persistence is worth a warning" "$status" 1
is "stderr" "$(cat "$tmp/err")" ""
is "lines that are graded" "$(out | grep -c '^\(ok\|note\|warn\|FAIL\)  ')" \
    "$(out | grep -cv '^      ')"
run --json doctor
is "objects" "$(out | grep -c '^{"grade":"[a-z]*","check":".*","found":".*","advice":.*}$')" \
    "$(out | wc -l)"
out_has '"grade":"ok"'
raw CONFIG SET appendonly yes >/dev/null
raw CONFIG SET maxmemory-policy allkeys-lru >/dev/null
run doctor
is "status" "$status" 1
out_has "FAIL"
out_has "allkeys-lru"
raw CONFIG SET maxmemory-policy noeviction >/dev/null
run --url "unix:$tmp/nowhere.sock" doctor
is "status" "$status" 1
out_has "nowhere.sock"

# ---- fsck
run fsck
ok
out_is ""
run fsck mail
ends 3 "there is no queue mail"
seq 1 500 | "$DUEQ" push mail --lines -q
run push other x -q
run fsck
ok
is "lines" "$(out)" "ok    mail: 500 tasks, 0 faults, 0 mended
ok    other: 1 tasks, 0 faults, 0 mended"
run --json fsck mail
ok
out_is '{"queue":"mail","tasks":500,"orphans":0,"repaired":0}'

# A task whose record is gone, and a record that is in no state.
victim=$("$DUEQ" --json ls mail -n 1 | sed 's/.*"id":"\([^"]*\)".*/\1/')
raw HDEL 'dueq:{mail:0}:body' "$victim" >/dev/null
orphan=$("$DUEQ" --json ls mail -n 2 | tail -n 1 | sed 's/.*"id":"\([^"]*\)".*/\1/')
raw ZREM 'dueq:{mail:0}:due' "$orphan" >/dev/null
run fsck mail
is "status" "$status" 1
out_has "$victim"
out_has "$orphan"
run --json fsck mail
is "status" "$status" 1
out_has '"orphans":2,"repaired":0'
run fsck mail other --repair
is "status" "$status" 0
out_has "2 mended"
run fsck mail
ok
out_has "0 faults"
run --json get mail "$orphan"
is "the orphan is a task again" "$(field state)" ready

finish
