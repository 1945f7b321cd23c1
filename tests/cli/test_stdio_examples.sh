#!/usr/bin/env bash
# The handlers of examples/stdio, each run by `dueq work --stdio`, if its interpreter is there.
. "$(dirname "$0")/lib.sh"
start_main
examples=${DUEQ_SOURCE:-$(dirname "$0")/../..}/examples/stdio

long_id=$(printf '%0250d' 0)

# try_handler NAME WINDOW: a queue of its own, named as the handler.
try_handler() {
    local queue=$1 handler=$examples/$1 outbox=$tmp/$1.outbox i
    local work=(work "$queue" --stdio --window "$2" -c 2 --drain --quiet -- "$handler" "$outbox")

    # no outbox yet: later, with the reason
    run push "$queue" '{"to":"ada@example.org","text":"one"}' --id 'a/1'
    run "${work[@]}"
    is "$queue: status without an outbox" "$status" 0
    run --json get "$queue" 'a/1'
    is "$queue: state without an outbox" "$(field state)" waiting
    out_has '"error":"'
    run reschedule "$queue" 'a/1' --in 0s

    mkdir "$outbox"
    printf '\377' | "$DUEQ" push "$queue" --id bytes -q
    run push "$queue" 'no JSON' --id text
    run push "$queue" '{"to":"nobody","text":"two"}' --id nobody
    for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
        run push "$queue" "{\"to\":\"bob@example.org\",\"text\":\"text \\\"$i\\\"\"}" --id "b$i"
    done
    for i in .. . "$long_id"; do
        run push "$queue" '{"to":"eve@example.org","text":"out"}' --id "$i"
    done
    run "${work[@]}"
    is "$queue: status" "$status" 0
    stat_is "$queue" "done" 15
    stat_is "$queue" dead 4
    stat_is "$queue" leased 0
    is "$queue: files" "$(find "$outbox" -type f | wc -l)" 15
    is "$queue: files outside" "$(find "$tmp" -name '*.tmp' | wc -l)" 0
    is "$queue: a file" "$(cat "$outbox/task-a%2F1")" "$(printf 'To: ada@example.org\n\none\n')"
    is "$queue: another" "$(cat "$outbox/task-b12")" \
        "$(printf 'To: bob@example.org\n\ntext "12"\n')"
    is "$queue: dots" "$(cat "$outbox/task-..")" "$(printf 'To: eve@example.org\n\nout\n')"
    run --json get "$queue" nobody
    out_has '"error":"'
    run --json get "$queue" "$long_id"
    is "$queue: a long id" "$(field state) $(field error)" \
        "dead the id is too long for the name of a file"
}

tried=0
for pair in python3:handler.py:8 node:handler.js:8 jq:handler.sh:1; do
    IFS=: read -r interpreter name window <<<"$pair"
    if command -v "$interpreter" >/dev/null; then
        try_handler "$name" "$window"
        tried=$((tried + 1))
    else
        echo "passed over: $name, since there is no $interpreter"
    fi
done
[ "$tried" -gt 0 ] || exit 77
finish
