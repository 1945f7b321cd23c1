#!/usr/bin/env bash
# dueq push --lines and --ndjson: many tasks from stdin, in bounded memory, bad lines by number.
# shellcheck disable=SC2317 # some functions are called by name
. "$(dirname "$0")/lib.sh"
start_main

# ---- lines
run_with 'one\ntwo\n\nfour' push lines --lines
ok
is "ids" "$(out | wc -l)" 4
run --json ls lines
is "payloads" "$(out | sed 's/.*"payload":"\([^"]*\)".*/<\1>/' | sort | tr -d '\n')" "<><four><one><two>"
run_with 'a\r\nb\n' push lines --lines --quiet --header k=v --in 1h --max-attempts 2
ok
out_is ""
run --json ls lines --state waiting
is "tasks with all of these" "$(out | grep -c '"max_attempts":2.*"headers":{"k":"v"}')" 2
out_has '"payload":"a\r"'
run_with '' push lines --lines
ok
out_is ""
run_with '\n' push lines --lines
ok
is "ids of one empty line" "$(out | wc -l)" 1

# More than one batch, and every line once.
seq 1 12345 | "$DUEQ" push many --lines --quiet
is "status" $? 0
stat_is many ready 12345
run --json ls many --all
is "different payloads" "$(out | sed 's/.*"payload":"\([^"]*\)".*/\1/' | sort -un | tail -n 1)" 12345
is "their number" "$(out | sed 's/.*"payload":"\([^"]*\)".*/\1/' | sort -un | wc -l)" 12345

# ---- ndjson
cat >"$tmp/tasks" <<'END'
{"payload": "plain"}
{"payload_base64": "/wABeA==", "id_base64": "AAH/"}

{"payload": "a\u0000b\u00e4", "id": "späť", "in": "1h", "headers": {"a": "1", "b": {"base64": "Yf8="}}, "max_attempts": 7}
{"payload": "", "id": "ms", "in": 90000}
{"payload": "", "id": "at", "at": "2030-01-02T03:04:05Z"}
{"payload": "", "id": "at ms", "at": 1893553445000}
  {"payload": "last, without a line feed", "at": "@5"}
END
truncate -s -1 "$tmp/tasks"
"$DUEQ" --json push tasks --ndjson <"$tmp/tasks" >"$tmp/out" 2>"$tmp/err"
status=$? ran="push --ndjson"
ok
is "tasks" "$(out | grep -c '"outcome":"pushed"')" 7
run --json get tasks --base64 AAH/
out_has '"id_base64":"AAH/"'
out_has '"payload_base64":"/wABeA=="'
run --json get tasks "späť"
out_has '"payload":"a\u0000bä"'
out_has '"headers":{"a":"1","b":{"base64":"Yf8="}}'
is "max_attempts" "$(field max_attempts)" 7
run --json get tasks ms
# The server counts from the arrival of the push, which is later than its making; both are cut to ms.
delay_ms=$(($(field due_ms) - $(field pushed_ms)))
is "a delay of 90 s, not $delay_ms ms" $((delay_ms >= 89999 && delay_ms < 120000)) 1
for id in at "at ms"; do
    run --json get tasks "$id"
    is "due of $id" "$(field due_ms)" 1893553445000
done

# ---- a bad line ends it, the lines before having been pushed
bad_lines=(
    'not json|not JSON'
    '{"payload":"x"|not JSON'
    '[]|not a JSON object'
    '"x"|not'
    '{}|is missing'
    '{"payload":5}|has to be a string'
    '{"payload":null}|has to be a string'
    '{"payload":{"a":1}}|has to be a string'
    '{"payload":"a","payload_base64":"YQ=="}|one of them'
    '{"payload":"a","payload":"b"}|not JSON'
    '{"payload_base64":"YQ"}|not base64'
    '{"payload_base64":"YR=="}|not base64'
    '{"payload_base64":"Y!=="}|not base64'
    '{"payload":"a","paylod":"b"}|unknown key "paylod"'
    '{"payload":"a","id":""}|an id of 0 bytes'
    '{"payload":"a","id":7}|has to be a string'
    '{"payload":"a","id":"a","id_base64":"YQ=="}|one of them'
    '{"payload":"a","in":-1}|has to be a duration'
    '{"payload":"a","in":1.5}|has to be a duration'
    '{"payload":"a","in":"10 parsecs"}|has to be a duration'
    '{"payload":"a","in":1000000000000000000}|a hundred years'
    '{"payload":"a","in":99999999999999999999}|not JSON'
    '{"payload":"a","in":NaN}|not JSON'
    '{"payload":"a","at":"garbage"}|has to be a time'
    '{"payload":"a","at":-5}|has to be a time'
    '{"payload":"a","in":"1s\\u0000"}|has to be a duration'
    '{"payload":"a","in":1,"at":5}|one of them'
    '{"payload":"a","max_attempts":0}|from 1 to 1000000'
    '{"payload":"a","max_attempts":"3"}|from 1 to 1000000'
    '{"payload":"a","headers":[]}|has to be an object'
    '{"payload":"a","headers":{"a b":"c"}}|A-Z a-z'
    '{"payload":"a","headers":{"a":1}}|has to be a string'
    '{"payload":"a","headers":{"a":{"base64":"?"}}}|not base64'
    '{"payload":"\\0377"}|not JSON'
    '{"payload":"\\ud800"}|not JSON'
    '{"payload":"a"} x|not JSON'
)
for each in "${bad_lines[@]}"; do
    "$DUEQ" queue delete bad --yes >/dev/null 2>&1
    run_with "{\"payload\":\"before\"}\n${each%|*}\n{\"payload\":\"after\"}\n" push bad --ndjson
    ends 1 "line 2: "
    has "what is wrong" "$(cat "$tmp/err")" "${each##*|}"
    stat_is bad pushed 1
done
long_id=$(printf 'i%.0s' {1..256})
run_with "{\"payload\":\"\",\"id\":\"$long_id\"}\n" push bad --ndjson
ends 1 "line 1: an id of 256 bytes"

# ---- --keep-going reports them all and goes on
run_with '{"payload":"1"}\nx\n{"payload":"3"}\n{}\n{"payload":"5"}' push going --ndjson --keep-going
is "status" "$status" 1
is "ids" "$(out | wc -l)" 3
is "lines named" "$(grep -o 'line [0-9]*' "$tmp/err" | tr '\n' ' ')" "line 2 line 4 "
stat_is going pushed 3

# ---- lines over the limit, in bounded memory
run queue create small --payload-max 10
run_with '1234567890\n12345678901\nx\n' push small --lines
ends 1 "line 2: longer than 10 bytes"
stat_is small pushed 1
run_with '{"payload":"1234567890"}\n{"payload":"12345678901"}\n' push small --ndjson
ends 1 "line 2: a payload of 11 bytes: the queue allows 10"
stat_is small pushed 2
if [ -z "${DUEQ_SANITIZE:-}" ]; then
    # A line of 300 MB does not fit into 200 MB of memory, and need not.
    (
        ulimit -v 200000
        { head -c 300000000 /dev/zero | tr '\0' x; printf '\nlast\n'; } |
            "$DUEQ" push lines --lines --keep-going --quiet 2>"$tmp/err"
    )
    is "status" $? 1
    has "stderr" "$(cat "$tmp/err")" "line 1: longer than 1048576 bytes"
    run --json ls lines
    out_has '"payload":"last"'
fi

# ---- ids that exist
run_with '{"payload":"a","id":"1"}\n{"payload":"b","id":"1"}\n{"payload":"c","id":"2"}' \
    push twins --ndjson
is "status" "$status" 5
is "ids" "$(out | tr '\n' ' ')" "1 1 2 "
has "stderr" "$(cat "$tmp/err")" "1 of the tasks existed"
run --json get twins 1
is "payload" "$(field payload)" a
run_with '{"payload":"x","id":"3"}\n{"payload":"y","id":"2"}\n' push twins --ndjson --if-exists fail
is "status" "$status" 5
out_is ""
has "stderr" "$(cat "$tmp/err")" "lines 1 to 2"
has "stderr" "$(cat "$tmp/err")" '"2" exists'
run get twins 3
ends 3

# ---- a writer that pauses is not kept waiting: what it wrote is pushed
mkfifo "$tmp/pipe"
"$DUEQ" push slow --lines --quiet <"$tmp/pipe" &
pusher=$!
exec 7>"$tmp/pipe"
is_pushed() {
    stat_is_quiet=$("$DUEQ" --json stats slow 2>/dev/null)
    [[ $stat_is_quiet == *"\"pushed\":$1,"* ]]
}
echo first >&7
within 10 is_pushed 1
is "the first line is pushed" $? 0
echo second >&7
within 10 is_pushed 2
is "the second line is pushed" $? 0
exec 7>&-
wait "$pusher"
is "status" $? 0

# ---- a server that goes away half way
raw CONFIG SET maxmemory 1 >/dev/null
run_with 'a\nb\n' push lines --lines
ends 1 "0 tasks were pushed, the first line in doubt is 1"
raw CONFIG SET maxmemory 0 >/dev/null

finish
