#!/usr/bin/env bash
# --durability and durability= in the URL: what was reached is told, and never changes the status.
. "$(dirname "$0")/lib.sh"
start_main --appendonly yes
raw CONFIG SET appendfsync always >/dev/null

# ---- not asked for
run --json push mail x --id plain
ok
out_is '{"id":"plain","outcome":"pushed"}'

# ---- short: there is no replica
short='{"met":false,"replicas":0,"fsync":false}'
warning='dueq: it is done, but in the time given it did not become as durable as asked (replicas: 0, fsync: no)'
url="$DUEQ_URL?durability_timeout=50ms"
run --url "$url" --json push mail x --id a --durability replicas:1
ends 0
out_is "{\"id\":\"a\",\"outcome\":\"pushed\",\"reached\":$short}"
is "stderr" "$(cat "$tmp/err")" "$warning"
run get mail a
ok
run --url "$url&durability=replicas:1" --json cancel mail a
ends 0
out_is "{\"id\":\"a\",\"outcome\":\"cancelled\",\"reached\":$short}"
is "stderr" "$(cat "$tmp/err")" "$warning"
run --url "$url&durability=replicas:1" push mail x --id b --durability none
ok

# ---- each command that has the option
run --json take mail
receipt=$(field receipt)
run --url "$url" --json extend mail "$receipt" --lease 1m --durability replicas:1
out_is "{\"receipt\":\"$receipt\",\"outcome\":\"extended\",\"reached\":$short}"
run --url "$url" --json release mail "$receipt" --durability replicas:1
out_is "{\"receipt\":\"$receipt\",\"outcome\":\"released\",\"reached\":$short}"
run --json take mail
receipt=$(field receipt)
run --url "$url" --json retry mail "$receipt" --durability replicas:1
out_is "{\"receipt\":\"$receipt\",\"outcome\":\"retried\",\"reached\":$short}"
run --url "$url" --json reschedule mail b --in 1h --durability replicas:1
out_is "{\"id\":\"b\",\"outcome\":\"rescheduled\",\"reached\":$short}"
run --json take mail
receipt=$(field receipt)
run --url "$url" --json 'done' mail "$receipt" --durability replicas:1
ends 0
out_is "{\"receipt\":\"$receipt\",\"outcome\":\"done\",\"reached\":$short}"

# ---- a stream of tasks: one warning
seq 12000 >"$tmp/lines"
"$DUEQ" --url "$url" push bulk --lines -q --durability replicas:1 <"$tmp/lines" 2>"$tmp/err"
is "status of a stream" $? 0
is "warnings" "$(cat "$tmp/err")" "$warning"
run --json stats bulk
is "tasks of the stream" "$(field pushed)" 12000

# ---- the disk
case $(raw WAITAOF 0 0 1 2>&1) in
*"unknown command"*)
    run push mail x --id disk --durability fsync
    ends 1
    is "why" "$(grep -c 'no WAITAOF' "$tmp/err")" 1
    run get mail disk
    ends 3
    ;;
*)
    run --json push mail x --id disk --durability fsync
    ok
    out_is '{"id":"disk","outcome":"pushed","reached":{"met":true,"replicas":0,"fsync":true}}'
    ;;
esac

# ---- what is no level
run push mail x --id none --durability twice
ends 2
is "why" "$(grep -c 'none, replicas:N' "$tmp/err")" 1
run --url "$DUEQ_URL?durability=replicas:0" push mail x --id none
ends 2
run get mail none
ends 3

finish
