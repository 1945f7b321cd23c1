#!/usr/bin/env bash
# dueq bench: each kind measures what it says and in the promised form, tells what it cannot do, leaves
# nothing behind, not even when interrupted. Shapes and sanity only, never speed. test-timeout-s: 120
# shellcheck disable=SC2317 # some functions are called by name
. "$(dirname "$0")/lib.sh"
start_main

# is_number WHAT VALUE: also one with a fraction
is_number() {
    checks=$((checks + 1))
    [[ $2 =~ ^-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?$ ]] || fail "$1 is a number" "is: $(printf '%q' "$2")"
}

# ---- what every object has, and what each kind adds
common="bench tasks batch payload_bytes tasks_per_s server_us_per_task server_version persistence"
declare -A more=(
    [push]="p50_us p99_us p999_us max_us histogram"
    [work]="server_version"
    [lateness]="early again p50_us p90_us p99_us p999_us max_us histogram"
    [mix]="early again p50_us p99_us p999_us max_us server_cpu_percent"
    [burst]="early drain_s p99_us"
    [memory]="bytes_per_task"
    [idle]="commands_per_s waiting server_cpu_percent"
    [scale]="waiting push_server_us_per_task work_server_us_per_task"
)
declare -A objects=([push]=4 [work]=5 [lateness]=1 [mix]=1 [burst]=1 [memory]=1 [idle]=1 [scale]=2)
sizes=(--tasks 60 --seconds 1 --rate 100 --max 10000 --workers 2 --runs 1)

for kind in push work lateness mix burst memory idle scale; do
    run --json bench "$kind" "${sizes[@]}"
    ok
    is "objects of $kind" "$(out | wc -l)" "${objects[$kind]}"
    is "lines of $kind that lack its name" "$(out | grep -vc "^{\"bench\":\"$kind\",")" 0
    for key in $common ${more[$kind]}; do
        is "objects of $kind with $key" "$(out | grep -c "\"$key\":")" "${objects[$kind]}"
    done
    is "tasks of $kind" "$(field tasks)" 60
    is "payload_bytes of $kind" "$(field payload_bytes)" 100
    is "persistence of $kind" "$(field persistence)" none
    has "server_version of $kind" "$(field server_version)" "$(raw INFO server |
        sed -n 's/^\(redis\|valkey\)_version:\([0-9.]*\).*/\2/p' | tail -n 1)"
    is_number "server_us_per_task of $kind" "$(field server_us_per_task)"
    is_number "tasks_per_s of $kind" "$(field tasks_per_s)"
    case $kind in
    lateness | mix | burst)
        is "early of $kind" "$(field early)" 0
        is "again of $kind" "$(field again)" 0
        ;;
    esac
done

# ---- figures that cannot but be so
run --json bench push --batch 7 --tasks 50 --payload 1KiB --runs 2
ok
is "a given batch is the only one" "$(out | wc -l)" 1
is "batch" "$(field batch)" 7
is "runs" "$(field runs)" 2
is "payload_bytes" "$(field payload_bytes)" 1024
# Of 50 tasks by 7 there are 8 calls: the histogram has each of them, of both runs.
is "calls in the histogram" "$(out | grep -o '"count":[0-9]*' | awk -F: '{ sum += $2 } END { print sum }')" 16
is "partitions" "$(field partitions)" 1
is "servers" "$(field servers)" 1
is "the busiest of one" "$(field busiest_us_per_task)" ""
run --json bench push --batch 7 --tasks 50 --partitions 5 --runs 1
ok
is "given partitions" "$(field partitions)" 5
run --json bench work --worker --tasks 50 --concurrency 5 --runs 1
ok
is "work by workers only" "$(out | wc -l)" 1
is "batch of a worker" "$(field batch)" 5
run --json bench memory --tasks 2000 --payload 3000
ok
is "a payload of 3,000 bytes takes more than that" "$(($(field bytes_per_task) > 3000))" 1
is "… but not twice" "$(($(field bytes_per_task) < 6000))" 1
run --json bench scale --tasks 10 --max 1000
is "waiting" "$(field waiting)" 1000
run --json bench lateness --tasks 40 --seconds 2 --seed 3
ok
is "tasks spread over 2 s take more than one" "$(awk -v rate="$(field tasks_per_s)" 'BEGIN { print rate < 40 }')" 1

# ---- for people
run bench push idle --tasks 40 --seconds 1 --workers 1
ok
out_has "persistence none"
out_has "SERVER us/TASK"
out_has "COMMANDS/S"
is "kinds that were not asked for" "$(out | grep -c Burst)" 0
run bench lateness --tasks 40 --seconds 1
ok
out_has "from due time to the start of the handler"

# ---- what cannot be
run bench speed
ends 2 '"speed" is none of push, work'
run bench push --batch 10001
ends 2 "--batch: 10001 is not between 1 and 10,000"
run bench push --partitions 1025
ends 2 "--partitions: 1025 is not between 1 and 1,024"
run bench scale --max 10
ends 2 "not between"
run --url "unix:$tmp/nowhere.sock" bench push
ends 1 nowhere.sock
raw ACL SETUSER blind on nopass '~*' '&*' +@all -info >/dev/null
run --url "unix://blind@$tmp/main.sock" bench push
ends 1 "info"
raw ACL SETUSER narrow on nopass '~*' '&*' +@all -config -latency >/dev/null
run --json --url "unix://narrow@$tmp/main.sock" bench burst --tasks 20
ok
is "persistence where CONFIG is forbidden" "$(field persistence)" unknown
is "script times where LATENCY is forbidden" "$(field script_p99_us)" ""

# ---- nothing is left
run queues
out_is ""

# ---- interrupted: workers end, the queue goes, one line says so
"$DUEQ" bench lateness --tasks 100 --seconds 100 --workers 3 >"$tmp/out" 2>"$tmp/err" &
bench=$!
is_waiting() {
    "$DUEQ" --json stats | grep -q '"waiting":[1-9]'
}
within 20 is_waiting
children=$(cat "/proc/$bench/task/$bench/children")
is "worker processes" "$(echo "$children" | wc -w)" 3
kill -INT "$bench"
wait "$bench"
status=$? ran="bench, interrupted"
ends 1
is "the last line on stderr" "$(tail -n 1 "$tmp/err")" "dueq: interrupted"
run queues
out_is ""
for child in $children; do
    is "worker $child is gone" "$(kill -0 "$child" 2>/dev/null && echo there)" ""
done

finish
