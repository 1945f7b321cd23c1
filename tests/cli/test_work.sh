#!/usr/bin/env bash
# dueq work: programs and printing as handlers, several queues, signals, logs.
# shellcheck disable=SC2317,SC2016 # some functions are called by name; the worker's shell is to expand it
. "$(dirname "$0")/lib.sh"
start_main

# work_until NUMBER QUEUE WORD...: works until so many tasks of the queue are done. --drain ends when
# nothing is ready, and a retry may be due a moment later.
work_until() {
    local number=$1 queue=$2
    shift 2
    reached() {
        run work "$queue" --drain "$@"
        cat "$tmp/err" >>"$tmp/all_err"
        "$DUEQ" --json stats "$queue" | grep -q "\"done\":$number,"
    }
    : >"$tmp/all_err"
    within 20 reached "$@"
    is "worked until $number are done" $? 0
    is "status" "$status" 0
}

# ---- without a command payloads are printed, and done
printf 'one\ntwo\n' | "$DUEQ" push print --lines -q
run work print --drain --quiet
ok
is "payloads" "$(out | sort | tr '\n' ' ')" "one two "
stat_is print "done" 2
printf '\033[31m\377' | "$DUEQ" push print -q
run work print --drain --quiet
is "bytes" "$(cksum <"$tmp/out")" "$(printf '\033[31m\377\n' | cksum)"
run push print x --id j
run --json work print --drain --quiet
out_has '{"id":"j",'
out_has '"payload":"x"'
run push print kept
"$DUEQ" work print --drain --quiet >/dev/full 2>"$tmp/err"
is "status when nothing can be written" $? 1
has "stderr" "$(cat "$tmp/err")" "cannot write to standard output"
stat_is print "done" 4
stat_is print ready 1
"$DUEQ" queue purge print --yes >/dev/null

# ---- a command: payload, environment, exit codes
cat >"$tmp/handler" <<'END'
#!/bin/sh
echo "$DUEQ_QUEUE $DUEQ_ID $DUEQ_ATTEMPT $DUEQ_HEADER_KIND $(cat)" >>"$1"
case $DUEQ_ID in
dead) echo "no such person" >&2; exit 100 ;;
twice) [ "$DUEQ_ATTEMPT" -gt 1 ] || { echo "not yet" >&2; exit 7; } ;;
killed) [ "$DUEQ_ATTEMPT" -gt 1 ] || kill -9 $$ ;;
slow) [ "$DUEQ_ATTEMPT" -gt 1 ] || exec sleep 1000 ;;
esac
exit 0
END
chmod +x "$tmp/handler"
for id in plain dead twice killed; do
    run push cmd "payload of $id" --id $id --header kind=k
done
work_until 3 cmd -c 3 --backoff 1ms..5ms -- "$tmp/handler" "$tmp/log"
is "deliveries" "$(sort "$tmp/log")" "cmd dead 1 k payload of dead
cmd killed 1 k payload of killed
cmd killed 2 k payload of killed
cmd plain 1 k payload of plain
cmd twice 1 k payload of twice
cmd twice 2 k payload of twice"
stat_is cmd dead 1
run --json get cmd dead
has "error" "$(field error)" "no such person"
has "log" "$(cat "$tmp/all_err")" "no such person"

# ---- a handler that hangs
run push cmd x --id slow
work_until 4 cmd --timeout 50ms --grace 1s --backoff 1ms..1ms --quiet -- "$tmp/handler" "$tmp/log"
is "attempts" "$(grep -c '^cmd slow' "$tmp/log")" 2
has "log" "$(cat "$tmp/all_err")" "id=slow"
run push missing x
run work missing --drain --quiet -- /nonexistent/program
has "log" "$(cat "$tmp/err")" "/nonexistent/program"
stat_is missing "done" 0

# ---- several queues: strict order
seq 1 20 | "$DUEQ" push low --lines -q
seq 1 20 | "$DUEQ" push high --lines -q
run work high low --strict --drain --quiet -- sh -c 'echo "$DUEQ_QUEUE"'
is "order" "$(out | uniq -c | sed 's/  */ /g' | tr '\n' ';')" " 20 high; 20 low;"
seq 1 20 | "$DUEQ" push low --lines -q
seq 1 20 | "$DUEQ" push high --lines -q
run work high=3 low=1 --drain --quiet -- sh -c 'echo "$DUEQ_QUEUE"'
is "all of them" "$(out | sort | uniq -c | sed 's/  */ /g' | tr '\n' ';')" " 20 high; 20 low;"
run push low x
run work high=3 low=1 --drain --quiet -- sh -c 'tr "\0" " " <"/proc/$PPID/cmdline"'
out_has " high=3 low=1 " # as ps shows it

# ---- logs
run push log x --id 'i d'
run work log --drain -v
has "plain log" "$(cat "$tmp/err")" ' level=debug event=done queue=log id="i d" attempt=1'
run push log x --id j
run --json work log --drain -v
is "lines that are JSON" "$(grep -c '^{"time":"[-0-9T:.]*Z","level":"[a-z]*","event":"[a-z ]*",.*}$' "$tmp/err")" \
    "$(wc -l <"$tmp/err")"
run push log x --id k
run --json work log --drain -v --log-format logfmt
has "logfmt beside tasks as JSON" "$(cat "$tmp/err")" ' event=done queue=log id=k attempt=1'
out_has '{"id":"k",'
run push log x --id k
run work log --drain --log-level debug --log-format json
has "JSON beside plain payloads" "$(cat "$tmp/err")" '"event":"done","queue":"log","id":"k","attempt":1}'
out_is x
run work log --drain --log-level warn
is "nothing to warn of" "$(cat "$tmp/err")" ""
run push log x
run work log --drain
is "debug lines by default" "$(grep -c debug "$tmp/err")" 0
has "info by default" "$(cat "$tmp/err")" "level=info event=started queues=log"

# ---- a signal of one's own for a lost lease: it is told, goes on, and counts no more
run push told x --id t
# shellcheck disable=SC2016 # the handler's shell is to expand it
"$DUEQ" work told --lease 300ms --lost-signal usr1 --quiet -- sh -c \
    'trap "touch $1/usr1" USR1; touch "$1/begun"; while [ ! -e "$1/usr1" ]; do :; done; touch "$1/end"' \
    sh "$tmp" 2>"$tmp/told.err" &
worker=$!
within 10 test -e "$tmp/begun"
run cancel told t
within 20 test -e "$tmp/end"
is "it went on to its end" $? 0
kill -TERM "$worker"
wait "$worker"
is "status" $? 0
has "log" "$(cat "$tmp/told.err")" "level=warn event=lost queue=told id=t attempt=1"
stat_is told "done" 0
rm -f "$tmp/begun"

# ---- signals: the first lets handlers end, the second does not
is_begun() {
    [ -s "$tmp/begun" ]
}
run push sig x
"$DUEQ" work sig --quiet -- sh -c 'echo b >"$1"; while [ ! -e "$2" ]; do :; done' sh \
    "$tmp/begun" "$tmp/go" &
worker=$!
within 10 is_begun
kill -TERM "$worker"
touch "$tmp/go"
wait "$worker"
is "status after SIGTERM" $? 0
stat_is sig "done" 1
rm -f "$tmp/begun"
run push sig x
"$DUEQ" work sig --quiet -- sh -c 'echo b >"$1"; exec sleep 1000' sh "$tmp/begun" &
worker=$!
within 10 is_begun
kill -INT "$worker"
kill -TERM "$worker"
wait "$worker"
is "status after two signals" $? 0
stat_is sig "done" 1
stat_is sig ready 1
is "attempts counted" "$("$DUEQ" --json ls sig | sed 's/.*"attempts":\([0-9]*\).*/\1/')" 0
rm -f "$tmp/begun"
"$DUEQ" queue purge sig --yes >/dev/null

# ---- an idle worker gets what is pushed, and stops when asked
"$DUEQ" work idle --quiet >"$tmp/idle" 2>"$tmp/idle.err" &
worker=$!
seq 1 3 | "$DUEQ" push idle --lines -q
has_three() {
    [ "$(wc -l <"$tmp/idle")" = 3 ]
}
within 20 has_three
is "three were printed" $? 0
kill -TERM "$worker"
wait "$worker"
is "status" $? 0

# ---- what does not go together, or is no value, is refused before a server is asked
refuses() {
    local part=$1
    shift
    run --url "unix:$tmp/nowhere.sock" work mail "$@"
    ends 2 "$part"
}
refuses "--stdio goes with a command" --stdio
refuses "--window goes with --stdio" --window 2 -- cat
refuses "--window: 1001 is not between 1 and 1,000" --stdio --window 1001 -- cat
refuses "--http needs a URL that begins with http:// or https://" --http ftp://host/
refuses "in place of running a command" --http http://host/ -- cat
refuses "--http-secret-file goes with --http" --http-secret-file "$tmp/x" -- cat
refuses "--http-ca goes with --http and" --http-ca "$tmp/x" --http http://host/
refuses "--lost-signal goes with a command" --lost-signal USR1
refuses "does not go with --stdio" --lost-signal USR1 --stdio -- cat
refuses "\"USR9\" is no signal" --lost-signal USR9 -- cat
refuses "--timeout goes with a command or --http" --timeout 1s
refuses "--prefetch: 0 is not between 1 and 10,000 (or none)" --prefetch 0
refuses "--log-format: \"xml\" is none of logfmt, json" --log-format xml
refuses "--log-level: \"all\" is none of error, warn, info, debug" --log-level all
refuses "give one of --log-level, --quiet and --verbose" -q --log-level info
DUEQ_HTTP_SECRET='' refuses "DUEQ_HTTP_SECRET is empty" --http http://host/
refuses_file() {
    local part=$1
    shift
    run --url "unix:$tmp/nowhere.sock" work mail --http https://host/ "$@"
    ends 1 "$part"
}
refuses_file "--http-ca: cannot read $tmp/none" --http-ca "$tmp/none"
refuses_file "--http-secret-file: cannot read $tmp/none" --http-secret-file "$tmp/none"
echo >"$tmp/secret"
refuses_file "is to hold a line of 1 to 4096 bytes" --http-secret-file "$tmp/secret"
printf 'a\0b\n' >"$tmp/secret"
refuses_file "none of them NUL" --http-secret-file "$tmp/secret"
head -c 4097 /dev/zero | tr '\0' x >"$tmp/secret"
refuses_file "is to hold a line of 1 to 4096 bytes" --http-secret-file "$tmp/secret"

# ---- no server, no wait for one
run --url "unix:$tmp/nowhere.sock" work mail --drain
is "status" "$status" 1

finish
