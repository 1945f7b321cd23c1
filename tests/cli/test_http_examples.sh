#!/usr/bin/env bash
# The examples of handlers over HTTP, each run by dueq work --http; and HTTP/2, which only a server
# in another language offers here. test-timeout-s: 120
# shellcheck disable=SC2317 # some functions are called by name
. "$(dirname "$0")/lib.sh"
start_main
export no_proxy='*' DUEQ_HTTP_SECRET='a secret, with "signs" in it'
: "${DUEQ_SOURCE:=$(cd "$(dirname "$0")/../.." && pwd)}"
ran_any=false
long_id=$(printf '%0250d' 0)

# start_handler NAME COMMAND...: with a folder $store of its own; its port in $port.
start_handler() {
    local name=$1
    shift
    store=$tmp/$name
    mkdir "$store"
    "$@" "$store" 0 >"$tmp/$name.log" 2>&1 </dev/null &
    server_pids+=($!)
    within 20 grep -q '127\.0\.0\.1:[0-9]' "$tmp/$name.log" || cat "$tmp/$name.log"
    port=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\).*/\1/p' "$tmp/$name.log" | head -n 1)
}

work() {
    run work "$queue" --http "http://127.0.0.1:$port/" --drain --quiet --backoff 1h..1h "$@"
}

# error_of ID: why the task failed last.
error_of() {
    run --json get "$queue" "$1"
    field error
}

check_handler() {
    queue=$1
    "$DUEQ" push "$queue" 'hello' --id plain -q
    "$DUEQ" push "$queue" 'strange' --id '../a b/%' -q
    printf 'a\0b\n\377' | "$DUEQ" push "$queue" --id bytes -q
    "$DUEQ" push "$queue" 'dots' --id .. -q
    seq 1 20 | "$DUEQ" push "$queue" --lines -q
    work -c 8
    ok
    stat_is "$queue" "done" 24
    is "files of $queue" "$(find "$store" -name 'task-*' | wc -l)" 24
    is "dots" "$(cat "$store/task-..")" dots
    is "a payload" "$(cat "$store/task-plain")" hello
    is "a strange id" "$(cat "$store/task-..%2Fa b%2F%25")" strange
    is "bytes" "$(cksum <"$store/task-bytes")" "$(printf 'a\0b\n\377' | cksum)"

    : | "$DUEQ" push "$queue" --id empty -q
    work
    stat_is "$queue" dead 1
    is "error" "$(error_of empty)" "HTTP 410: the payload is empty"

    "$DUEQ" push "$queue" x --id "$long_id" -q
    work
    stat_is "$queue" dead 2
    is "error" "$(error_of "$long_id")" "HTTP 410: the id is too long for the name of a file"

    touch "$store/paused"
    "$DUEQ" push "$queue" x --id paused -q
    work
    is "error" "$(error_of paused)" "HTTP 503: paused"
    stat_is "$queue" waiting 1
    is "due in a minute, not in the backoff's hour" \
        "$(($(field next_due_ms) < ($(date +%s) + 70) * 1000))" 1
    rm "$store/paused"
    "$DUEQ" cancel "$queue" paused >/dev/null

    "$DUEQ" push "$queue" x --id signed -q
    DUEQ_HTTP_SECRET=another work
    is "error" "$(error_of signed)" "HTTP 401: the signature is missing, wrong or old"
    (
        unset DUEQ_HTTP_SECRET
        "$DUEQ" push "$queue" x --id unsigned -q
        work
    )
    is "error" "$(error_of unsigned)" "HTTP 401: the signature is missing, wrong or old"
    ran_any=true
}

handlers=$DUEQ_SOURCE/examples/http
if command -v python3 >/dev/null; then
    start_handler python python3 "$handlers/handler.py"
    check_handler python
fi
if command -v node >/dev/null; then
    start_handler node node "$handlers/handler.js"
    check_handler node
fi
if command -v socat >/dev/null; then
    start_handler shell bash "$handlers/handler.sh"
    check_handler shell
fi
if ! $ran_any; then
    echo "none of python3, node and socat is there"
    exit 77
fi

# ---- HTTP/2: many requests at a time over one connection

if command -v node >/dev/null && command -v openssl >/dev/null; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
        -subj /CN=test -addext subjectAltName=IP:127.0.0.1 \
        -keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>"$tmp/openssl.log"
    cat >"$tmp/http2.js" <<'END'
const fs = require('node:fs');
const [dir] = process.argv.slice(2);
const server = require('node:http2').createSecureServer({
    key: fs.readFileSync(`${dir}/../key.pem`), cert: fs.readFileSync(`${dir}/../cert.pem`),
});
const waiting = [];
server.on('session', () => console.log('session'));
server.on('stream', (stream, headers) => {
    stream.resume();
    waiting.push(stream);
    if (waiting.length < 30) return; // none is answered before all are here
    console.log(headers[':method'], headers['dueq-queue'], headers['user-agent'].split('/')[0]);
    for (const one of waiting.splice(0)) one.respond({ ':status': 204 }, { endStream: true });
});
server.listen(0, '127.0.0.1', () => console.log(`127.0.0.1:${server.address().port}`));
END
    start_handler http2 node "$tmp/http2.js"
    seq 1 60 | "$DUEQ" push h2 --lines -q
    run work h2 --http "https://127.0.0.1:$port/" --http-ca "$tmp/cert.pem" --drain --quiet -c 30
    ok
    stat_is h2 "done" 60
    is "what the server saw" "$(grep -v 127 "$tmp/http2.log" | paste -sd ' ')" \
        "session POST h2 dueq POST h2 dueq"
fi

finish
