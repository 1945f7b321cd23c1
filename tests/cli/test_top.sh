#!/usr/bin/env bash
# dueq top in a terminal of tmux: what it shows, what its keys do, how it ends.
# test-timeout-s: 120
# shellcheck disable=SC2317 # some functions are called by name
. "$(dirname "$0")/lib.sh"
command -v tmux >/dev/null || {
    echo "no tmux: scripts/setup installs it"
    exit 77
}
start_main --appendonly yes

# ---- A terminal of our own

export TMUX_TMPDIR=$tmp
unset TMUX
terminal() { tmux -u -L top -f /dev/null "$@"; }
trap 'terminal kill-server 2>/dev/null; clean_up' EXIT

# What runs in it: the program, then how it ended and how it left the terminal.
cat >"$tmp/inside" <<'END'
trap : INT
sh -c 'echo $$ >"$0/pid"; exec "$@"' "$tmp" "$DUEQ" "$@"
echo "status=$?"
stty -a >"$tmp/tty.new"
mv "$tmp/tty.new" "$tmp/tty"
cat
END
export tmp DUEQ

# open_terminal SIZE WORD...: a command in a terminal of that size, "80x24", in place of the last one.
session=0
open_terminal() {
    local size=$1
    shift
    session=$((session + 1))
    rm -f "$tmp/tty"
    terminal new-session -d -s "t$session" -x "${size%x*}" -y "${size#*x}" \
        env NO_COLOR="${NO_COLOR-}" "$@"
    [ "$session" = 1 ] || terminal kill-session -t "=t$((session - 1))"
    ran=$*
}

# open_top SIZE WORD...: dueq WORD...
open_top() {
    local size=$1
    shift
    open_terminal "$size" sh "$tmp/inside" "$@"
}

keys() { terminal send-keys "$@"; }
resize() { terminal resize-window -x "${1%x*}" -y "${1#*x}"; }
screen() { terminal capture-pane -p "$@"; }
on_screen() { screen | grep -Eq -- "$1"; }
not_on_screen() { ! on_screen "$1"; }
codes_on_screen() { screen -e | grep -Eq -- "$1"; }

# shows PATTERN [WHAT]: it does before long.
shows() {
    checks=$((checks + 1))
    within 20 on_screen "$1" || fail "${2:-the screen}" "should show: $1" "$(screen)"
}
hides() {
    checks=$((checks + 1))
    within 20 not_on_screen "$1" || fail "${2:-the screen}" "should not show: $1" "$(screen)"
}

# ended STATUS: the program has, with that status, and the terminal is as it was.
ended() {
    shows "^status=$1\$" "the end"
    within 20 test -e "$tmp/tty"
    has "the terminal's settings" " $(tr '\n' ' ' <"$tmp/tty")" " icanon"
    has "the terminal's settings" " $(tr '\n' ' ' <"$tmp/tty")" " echo "
    is "the other screen" "$(terminal display-message -p '#{alternate_on}')" 0
    is "the cursor" "$(terminal display-message -p '#{cursor_flag}')" 1
}

# ---- Where it does not run

run top
ends 2 "top is for a terminal; dueq stats --json is for programs"
run top --interval 10ms
ends 2 "--interval: 10ms is not between 100ms and 1h"
run top 'no{good'
ends 2 "is not a queue name"
open_top 80x24 --json top
shows "dueq stats --json is for programs"
ended 2
open_terminal 80x24 env TERM=dumb sh "$tmp/inside" top
shows 'cannot draw on a terminal of the type "dumb"'
shows "^status=2$"
open_top 80x24 --url "unix:$tmp/nowhere" top
shows "dueq: cannot connect"
ended 1

# ---- An empty server, then the table

open_top 80x24 top --interval 100ms
shows "there are no queues yet"
shows "every 100ms"
run push mail 'a\nb' --id later --in 55s -q
run push mail x --in 10m -q
run push mail x --in 3d -q
run push mail x -q
run queue create dead --max-attempts 1 --partitions 3
for i in 1 2 3; do
    run_with "$i" push dead --id "d$i" --header kind=bad -q
    run take dead
    run retry dead "$(field receipt)" --error "went wrong $i"
done
shows ' QUEUE +WAITING +READY +LEASED +DEAD +IN/S +OUT/S +LATE +OLDEST'
shows 'mail +3 +1 +0 +0 +[0-9.]+ +[0-9.]+ +- +[0-9.]+m?s'
shows '^>?[ ]?dead +0 +0 +0 +3 '
shows ' 2 queues +3 +1 +0 +3 ' "the sum"
keys j
shows '^>mail ' "the selection"
shows 'ready now +1 █'
shows 'within 1 min +1 █'
shows '1 min to 1 h +1 █'
shows '1 h to 1 day +0 '
shows 'later +1 █'
shows 'pushed +4$'
seq 1 200 | "$DUEQ" push mail --lines -q
shows 'mail +3 +201 +0 +0 +[0-9.]*[1-9][0-9.]* ' "the rate in"
"$DUEQ" take mail -n 100 | "$DUEQ" "done" mail
shows 'mail +3 +[0-9]+ +[0-9]+ +0 +[0-9.]+ +[0-9.]*[1-9][0-9.]* +[0-9.]+[um]?s' \
    "the rate out, and the lateness"

# ---- Keys: pause and resume, with a question

keys p
shows 'Pause mail, so that nothing is taken from it\? \(y/n\)'
keys n
shows 'nothing was changed'
stat_is mail paused false
keys p
shows 'Pause mail'
keys y
shows 'mail is paused: nothing is taken from it'
shows '^>mail paused '
stat_is mail paused true
keys p
shows 'Let mail go on\?'
keys y
shows 'mail goes on'
hides 'mail paused'
stat_is mail paused false

# ---- sort, interval, help

keys s
shows 'sorted: most waiting first'
keys s s s s
shows 'sorted: fastest in first'
keys s s s s s s s
shows 'sorted: by name'
keys +
shows 'a new picture every 200ms'
keys -
shows 'a new picture every 100ms'
keys '?'
shows "make the queue's dead tasks ready again"
keys x
hides "make the queue's dead tasks"

# ---- into a queue and a task, and the dead ready again

keys Home
shows '^>dead '
keys Enter
shows '^dead +waiting 0 +ready 0 +leased 0 +\[dead 3\]'
shows 'ID +DIED +FAILED +ERROR'
shows '^[> ]d2 +[0-9].* ago +1 +went wrong 2'
keys Tab
shows '\[waiting 0\]'
shows 'no task is waiting'
keys BTab
shows '^>d[123] +[0-9].* ago +1 +went wrong'
keys Enter
shows '^id +d[123]$'
shows '^state +dead, died .* ago \(20'
shows '^attempts +1 failed'
shows '^error +went wrong'
shows '^headers +kind: bad$'
shows '^payload +1 B, as text'
keys x
shows '0000  3[123]  '
keys r
shows 'Make this dead task of dead ready again\? \(y/n\)'
keys y
shows 'the task of dead is ready again'
shows '^state +ready, due'
keys r
shows 'only a dead task can be made ready again'
keys q
shows '\[dead 2\]'
keys r
shows 'Make the 2 dead tasks of dead ready again\?'
keys y
shows '2 dead tasks of dead made ready again'
shows 'ready 3'
stat_is dead dead 0
stat_is dead ready 3
keys Escape
shows ' QUEUE +WAITING'
keys q
ended 0

# ---- nothing in a task steers the terminal; many tasks have pages

run_with 'evil\033]2;stolen\007 \0001\0302\0233' push evil --id "$(printf 'x\033[31mred')" -q
run_with '{"größe":"日本語テキスト日本語テキスト日本語テキスト日本語"}' push evil --id wide -q
open_top 80x24 top evil
shows '^>evil +0 +2 '
hides mail
keys Enter
shows 'x\\x1b\[31mred'
shows 'evil\\x1b\]2;stolen\\x07'
shows '日本語.*…$' "a wide payload, cut"
has_not "the terminal's title" "$(terminal display-message -p '#{pane_title}')" stolen
keys Home Enter
shows '^id +x\\x1b\[31mred'
keys q q q
ended 0
open_top 80x12 top mail
shows '^>mail'
keys Enter
shows '\[ready 1..\]'
turn_page() { keys NPage && on_screen 'page [2-9]'; }
within 20 turn_page
shows 'page [2-9]'
keys Home
hides 'page [2-9]'
keys Q
ended 0

# ---- sizes

open_top 80x24 top mail none
shows 'none +there is no such queue'
shows 'OLDEST'
resize 40x12
hides 'OLDEST'
shows 'QUEUE +WAITING +READY +LEASED +DEAD$'
shows '^>mail '
resize 24x5
shows '^>mail '
resize 20x4
shows 'please widen'
resize 180x40
shows 'OLDEST +NEXT +PUSHED +DONE$'
shows 'within 1 min'

# ---- the server goes away and comes back

kill -9 "$server_pid"
wait "$server_pid" 2>/dev/null # which also keeps the shell from a word about it
shows 'the server is away for .*, trying again: '
shows '^>mail ' "the last picture"
checks=$((checks + 1))
codes_on_screen $'\033\\[2m.*>?mail|\033\\[2m.*QUEUE' || fail "the last picture is faint" "$(screen -e)"
start_server main --appendonly yes
hides 'the server is away'
run push mail x --id after -q
shows 'pushed +205$'
kill -STOP "$server_pid"
shows 'the server has not answered for|the server is away'
keys j
shows '^>none ' "it moves all the same"
keys q
ended 0
kill -CONT "$server_pid"

# ---- colours

open_top 80x24 top
shows '^>'
codes_on_screen $'\033\\[[0-9;]*3[1-7]m' || fail "colours" "$(screen -e)"
keys q
ended 0
export NO_COLOR=1
open_top 80x24 top
shows '^>'
checks=$((checks + 1))
if codes_on_screen $'\033\\[[0-9;]*3[1-7]m'; then fail "no colours under NO_COLOR" "$(screen -e)"; fi
unset NO_COLOR

# ---- signals give the terminal back

kill -TERM "$(cat "$tmp/pid")"
ended 0
open_top 80x24 top
shows '^>'
keys C-c
ended 0

finish
