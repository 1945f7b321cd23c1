#!/bin/sh
# A handler that stays up: puts messages into an outbox, one at a time. Needs jq.
#
#     dueq work mail --stdio --concurrency 4 -- examples/stdio/handler.sh OUTBOX
#
# A task's payload is JSON, {"to": "ada@example.org", "text": "..."}; the message becomes a file in
# the folder OUTBOX that is named by the task's id. A task may come twice, so doing it twice must do
# no harm: the second time the same file is written again.
outbox=$1
name_len_max=200 # of a file; file systems take some 50 more

# answer RESULT [ERROR]: one line. Without --window there is one task at a time, so that an answer
# need not say whose it is.
answer() {
    jq -cn --arg result "$1" --arg error "${2-}" \
        '{$result, delay: "10s", error: (if $error == "" then null else $error end)}'
}

# The message of the task in $line; fails when it can never be sent.
render() {
    printf '%s\n' "$line" | jq -er '.payload | fromjson |
        if (.to | test("^[^@[:cntrl:] ]+@[^@[:cntrl:] ]+$")) and (.text | type == "string")
        then "To: \(.to)\n\n\(.text)" else error("no message") end' 2>/dev/null
}

# put NAME TEXT: all or nothing, so that a reader of the outbox never sees half a message.
put() {
    printf '%s\n' "$2" >"$outbox/$1.tmp" && mv -f "$outbox/$1.tmp" "$outbox/$1"
}

while IFS= read -r line; do
    # {"lost":...} tells of a lease that ended while we were at it; it has been answered by now.
    case $line in '{"lost":'*) continue ;; esac
    # It begins with "task-", so that ".." is an id as any other.
    name=task-$(printf '%s\n' "$line" | jq -r '.id // .id_base64 | @uri')
    if [ "${#name}" -gt "$name_len_max" ]; then
        answer dead "the id is too long for the name of a file"
    elif ! text=$(render); then
        answer dead "the payload is no message"
    elif ! put "$name" "$text"; then
        answer retry "cannot write to the outbox"
    else
        answer "done"
    fi
done
