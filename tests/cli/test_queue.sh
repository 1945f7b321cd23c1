#!/usr/bin/env bash
# dueq queue …, queues, stats: queues as such.
. "$(dirname "$0")/lib.sh"
start_main

# ---- none yet
run queues
ok
out_is ""
run stats
ok
out_is ""
run stats mail
ends 3 "there is no queue mail"
for verb in config pause resume purge delete; do
    options=()
    [ $verb != purge ] || options=(--yes)
    run queue $verb mail "${options[@]}"
    ends 3 "there is no queue mail"
done

# ---- create and config
run queue create mail --partitions 4 --max-attempts 5 --lease 1m30s --payload-max 64KiB \
    --dead-max none --dead-age 2d --retention 1h
ok
out_is ""
run queue create mail
ends 5 "queue mail exists"
run queue config mail
ok
is "settings" "$(out | sed 's/  */ /')" "partitions 4
max-attempts 5
lease 1m 30s
payload-max 64 KiB
dead-max none
dead-age 2d
retention 1h"
run --json queue config mail
ok
out_is '{"queue":"mail","partitions":4,"max_attempts":5,"lease_ms":90000,"payload_max":65536,"dead_max":null,"dead_age_ms":172800000,"retention_ms":3600000}'
run queue config mail --lease 5s --retention none --payload-max "2 MiB" --dead-max 7 --dead-age none
ok
out_is ""
run --json queue config mail
out_is '{"queue":"mail","partitions":4,"max_attempts":5,"lease_ms":5000,"payload_max":2097152,"dead_max":7,"dead_age_ms":null,"retention_ms":null}'
run --json queue config mail --max-attempts 6
is "max_attempts" "$(field max_attempts)" 6
run push plain x -q
run --json queue config plain
out_is '{"queue":"plain","partitions":1,"max_attempts":20,"lease_ms":30000,"payload_max":1048576,"dead_max":10000,"dead_age_ms":2592000000,"retention_ms":null}'

# ---- queues and stats
run queues
ok
out_is "mail
plain"
run --json queues
out_is '{"queue":"mail"}
{"queue":"plain"}'
run stats
ok
is "rows" "$(out | wc -l)" 3
has "titles" "$(out | head -n 1)" "QUEUE  WAITING  READY  LEASED  DEAD  PUSHED  DONE  NOTE"
out_has "oldest ready for"
run push mail x --in 2h -q
run stats mail
ok
out_has "mail  4 partitions"
out_has "the next due in 1h 59m"
is "due within a day" "$(out | grep 'within a day' | tr -d ' ')" 1withinaday
run --json stats mail
ok
is "stats" "$(out | sed 's/"next_due_ms":[0-9]*/"next_due_ms":N/')" \
    '{"queue":"mail","partitions":4,"paused":false,"waiting":1,"ready":0,"leased":0,"dead":0,"pushed":1,"done":0,"retried":0,"released":0,"expired":0,"died":0,"cancelled":0,"dropped":0,"oldest_ready_ms":null,"next_due_ms":N,"due_minute":0,"due_hour":0,"due_day":1,"late_ms":null,"late_ago_ms":null}'
run --json stats plain
is "stats" "$(out | sed 's/"oldest_ready_ms":[0-9]*/"oldest_ready_ms":N/')" \
    '{"queue":"plain","partitions":1,"paused":false,"waiting":0,"ready":1,"leased":0,"dead":0,"pushed":1,"done":0,"retried":0,"released":0,"expired":0,"died":0,"cancelled":0,"dropped":0,"oldest_ready_ms":N,"next_due_ms":null,"due_minute":0,"due_hour":0,"due_day":0,"late_ms":null,"late_ago_ms":null}'
run --json stats
is "objects" "$(out | grep -c '^{.*}$')" 2

# ---- pause and resume
run queue pause plain
ok
run take plain
ends 3
run stats plain
out_has paused
run stats
out_has paused
run push plain y -q
ok
run queue resume plain
ok
run take plain
ok

# ---- purge and delete
run queue purge plain
ends 2 'nobody is here to answer "Remove every task of plain?"'
run --json queue purge plain --yes
ok
out_is '{"queue":"plain","outcome":"purged","count":2}'
run queue purge plain -y
ok
out_is "0 purged"
run queue delete plain
ok
run queue delete mail
ends 2 'say --yes'
run queues
out_is mail
run queue delete mail --yes
ok
run queues
out_is ""
is "keys left" "$(raw --scan --pattern '*{*' | wc -l)" 0

# ---- a terminal is asked (script gives one)
if command -v script >/dev/null && script --version 2>/dev/null | grep -q util-linux; then
    on_terminal() {
        # shellcheck disable=SC2059 # the answer
        printf "$1" | script -qec "$2" /dev/null >"$tmp/screen" 2>&1
        status=$?
        ran=$2
    }
    run push ask x -q
    on_terminal 'n\n' "'$DUEQ' queue delete ask"
    is "status after no" "$status" 1
    has "screen" "$(cat "$tmp/screen")" "Delete queue ask and the tasks in it? [y/N]"
    has "screen" "$(cat "$tmp/screen")" "nothing was changed"
    run queues
    out_is ask
    # ---- colours, there and only there
    esc=$(printf '\033')
    on_terminal '' "TERM=xterm '$DUEQ' stats ask"
    has "colours on a terminal" "$(cat "$tmp/screen")" "${esc}["
    on_terminal '' "TERM=xterm NO_COLOR=1 '$DUEQ' stats ask"
    has_not "colours under NO_COLOR" "$(cat "$tmp/screen")" "${esc}["
    on_terminal '' "TERM=dumb '$DUEQ' stats ask"
    has_not "colours on a dumb terminal" "$(cat "$tmp/screen")" "${esc}["
    run push ask "$(head -c 200 /dev/zero | tr '\0' w)" -q
    on_terminal '' "stty cols 60; TERM=dumb '$DUEQ' ls ask"
    is "rows wider than the terminal" "$(tr -d '\r' <"$tmp/screen" | grep -c '.\{64,\}')" 0
    on_terminal 'y\n' "'$DUEQ' queue delete ask"
    is "status after yes" "$status" 0
    run queues
    out_is ""
fi
run push ask x -q
run stats ask
has_not "colours in a pipe" "$(out)" "$(printf '\033')"

finish
