#!/usr/bin/env bash
# dueq get, cancel, reschedule, ls and dead: tasks looked at and moved from outside; and that nothing
# in a task can steer the terminal it is shown on.
. "$(dirname "$0")/lib.sh"
start_main

run push mail body --id a --in 1h
run push mail body --id b
run push mail body --id c
run take mail
taken=$(field id)

# ---- get
run get mail a
ok
out_has "mail a"
out_has "state     waiting, due in "
out_has "payload   4 B"
run get mail a b c
ok
is "cards" "$(out | grep -c '^mail ')" 3
run get mail a nobody b
ends 3 "task nobody: there is none in mail"
is "cards" "$(out | grep -c '^mail ')" 2
run --json get mail a
ok
is "keys" "$(out | grep -o '"[a-z_]*":' | tr -d '":' | tr '\n' ' ')" \
    "id state attempts due_ms pushed_ms payload headers "
run --json get mail "$taken"
is "state" "$(field state)" leased
out_has '"deadline_ms":'
run get none a
ends 3

# ---- ls
run ls mail
ok
is "rows" "$(out | wc -l)" 3
has "titles" "$(out | head -n 1)" "ID  STATE"
out_has "waiting"
out_has "in 59m"
run ls mail --state waiting
is "rows" "$(out | wc -l)" 2
run --json ls mail --state leased
is "id" "$(field id)" "$taken"
run --json ls mail --state dead
ok
out_is ""
run ls none
ends 3 "there is no queue none"
run ls mail -n 1
is "rows" "$(out | wc -l)" 2
is "status" "$status" 0
has "stderr" "$(cat "$tmp/err")" "there are more"
seq 1 2345 | "$DUEQ" push long --lines -q --in 1h
run ls long
is "rows by default" "$(out | wc -l)" 101
run ls long -n 1500
is "rows" "$(out | wc -l)" 1501
run --json ls long --all
ok
is "tasks" "$(out | wc -l)" 2345
is "different tasks" "$(out | sort -u | wc -l)" 2345
run ls long --all
is "widths of the first column, titles too" "$(out | sed 's/^\([^ ]* *\).*/\1/' | awk '{ print length }' | sort -u | wc -l)" 1

# ---- reschedule
run reschedule mail a --at 2031-01-01T00:00:00Z
ok
run --json get mail a
is "due" "$(field due_ms)" 1924992000000
run reschedule mail a --in 0s
ok
run --json get mail a
is "state" "$(field state)" ready
run reschedule mail nobody --in 1s
ends 3 "task nobody"
run reschedule mail "$taken" --in 1s
ends 1 "is leased or dead"
run --json reschedule mail a nobody --in 1s
is "status" "$status" 3
is "outcomes" "$(out | tr -d '\n')" \
    '{"id":"a","outcome":"rescheduled"}{"id":"nobody","outcome":"missing"}'

# ---- cancel
run --json cancel mail a
ok
out_is '{"id":"a","outcome":"cancelled"}'
run cancel mail a
ends 3 "task a"
run cancel mail b c
ok
out_is ""
stat_is mail cancelled 3

# ---- the dead
for i in 1 2 3 4; do
    run push dead x --id "d$i"
    run take dead
    run retry dead "$(field receipt)" --dead --error "reason $i"
done
run dead ls dead
ok
is "rows" "$(out | wc -l)" 5
out_has "reason 3"
run --json dead ls dead -n 2
is "tasks" "$(out | grep -c '"state":"dead"')" 2
run --json dead redrive dead d1 nobody
is "status" "$status" 3
is "outcomes" "$(out | tr -d '\n')" \
    '{"id":"d1","outcome":"redriven"}{"id":"nobody","outcome":"missing"}'
run dead redrive dead d1
ends 1 "task d1 is not dead"
run --json dead drop dead d2
ok
out_is '{"id":"d2","outcome":"dropped"}'
run dead redrive dead --all
ok
out_is "2 redriven"
stat_is dead ready 3
run take dead
run retry dead "$(field receipt)" --dead
run --json dead drop dead --all --yes
ok
out_is '{"queue":"dead","outcome":"dropped","count":1}'
stat_is dead dead 0
stat_is dead dropped 2
run dead redrive none --all
ends 3 "there is no queue none"

# ---- nothing steers the terminal
evil=$(printf 'i\033]0;x\007\n\302\233\342\200\256\377d')
run push evil "$(printf 'p\033[2J\r\nq\177')" --id "$evil" --header "h=$(printf '\033c')"
ok
shown='i\x1b]0;x\x07\n\x9b\u{202e}\xffd'
out_is "$shown"
run get evil "$evil"
ok
out_has "evil $shown"
out_has 'p\x1b[2J\r'
out_has 'q\x7f'
out_has 'h: \x1bc'
run ls evil
out_has "$shown"
is "control bytes" "$(out | LC_ALL=C tr -d '\n' | LC_ALL=C grep -c '[[:cntrl:]]')" 0
run cancel evil "$evil$evil"
ends 3 "$shown$shown"
run --json get evil "$evil"
id=$(field id_base64)
is "the id's bytes" "$(echo "$id" | base64 -d | cksum)" "$(printf '%s' "$evil" | cksum)"
run cancel evil --base64 "$id"
ok
run push "$(printf 'x\033[31m')" y
ends 2 'x\x1b[31m'

finish
