# What every test of the command line begins with: a private folder, a private server if asked for,
# and assertions that print both values. Source it; end with `finish`. $DUEQ is the program.
# shellcheck shell=bash disable=SC2120 # only some tests have words for start_main

set -uo pipefail
: "${DUEQ:?is to be the program under test}"

tmp=$(mktemp -d "${TMPDIR:-/tmp}/dueq-cli-XXXXXX")
server_pids=()
checks=0
failures=0
status=0

# Nothing of the caller's own settings is to matter.
unset DUEQ_URL NO_COLOR DUEQ_SERVER XDG_RUNTIME_DIR
[ -z "${DUEQ_TEST_SERVER:-}" ] || export DUEQ_SERVER=$DUEQ_TEST_SERVER # behind local: as well
export HOME=$tmp/home XDG_STATE_HOME=$tmp/state
mkdir -p "$HOME"

clean_up() {
    local pid
    for pid in "${server_pids[@]}"; do
        kill -9 "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    [ ! -d "$XDG_STATE_HOME/dueq" ] || "$DUEQ" server stop >/dev/null 2>&1
    rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

# ---- The server

server_program() {
    local name
    for name in ${DUEQ_TEST_SERVER:-} redis-server valkey-server; do
        command -v "$name" && return
    done
    echo "no redis-server and no valkey-server" >&2
    exit 77
}

# start_server NAME [CONFIG...]: a server on $tmp/NAME.sock, its pid in $server_pid.
start_server() {
    local name=$1 program
    shift
    program=$(server_program) || exit 77
    mkdir -p "$tmp/$name"
    "$program" --port 0 --unixsocket "$tmp/$name.sock" --dir "$tmp/$name" --save '' \
        --appendonly no "$@" >"$tmp/$name/log" 2>&1 </dev/null &
    server_pid=$!
    server_pids+=("$server_pid")
    within 20 raw_to "$name" PING || {
        cat "$tmp/$name/log"
        exit 1
    }
}

# raw_to NAME WORD...: a command in the server's own language.
raw_to() {
    local name=$1 program
    shift
    program=$(server_program) || exit 77
    "${program%server}cli" -s "$tmp/$name.sock" "$@"
}

raw() {
    raw_to main "$@"
}

# The server that most tests need, and its URL for every command.
start_main() {
    start_server main "$@"
    export DUEQ_URL=unix:$tmp/main.sock
}

# within SECONDS COMMAND...: tries until it succeeds.
within() {
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || return 1
    done
}

# ---- Running the program

# run WORD...: stdout in $tmp/out, stderr in $tmp/err, the status in $status. No stdin.
run() {
    "$DUEQ" "$@" </dev/null >"$tmp/out" 2>"$tmp/err"
    status=$?
    ran="dueq $*"
}

# run_with TEXT WORD...: the same with TEXT on stdin (printf's escapes are understood).
run_with() {
    local text=$1
    shift
    printf '%b' "$text" | "$DUEQ" "$@" >"$tmp/out" 2>"$tmp/err"
    status=$?
    ran="dueq $*"
}

out() {
    cat "$tmp/out"
}

# field NAME: the value of a key in the first JSON object of stdout.
field() {
    sed -n "s/.*\"$1\":\(\"\([^\"]*\)\"\|\([^,}]*\)\).*/\2\3/p" "$tmp/out" | head -n 1
}

# ---- Assertions

fail() {
    failures=$((failures + 1))
    echo "FAILED: $1 (line ${BASH_LINENO[1]}; after: ${ran:-nothing})"
    shift
    printf '    %s\n' "$@"
}

# is WHAT ACTUAL EXPECTED
is() {
    checks=$((checks + 1))
    [ "$2" = "$3" ] || fail "$1" "is:        $(printf '%q' "$2")" "should be: $(printf '%q' "$3")"
}

# has WHAT TEXT PART
has() {
    checks=$((checks + 1))
    case $2 in
    *"$3"*) ;;
    *) fail "$1" "is:          $(printf '%q' "$2")" "should have: $(printf '%q' "$3")" ;;
    esac
}

# has_not WHAT TEXT PART
has_not() {
    checks=$((checks + 1))
    case $2 in
    *"$3"*)
        fail "$1" "is:              $(printf '%q' "$2")" "should not have: $(printf '%q' "$3")"
        ;;
    esac
}

# The last command ended well, and said so in silence.
ok() {
    is "status" "$status" 0
    is "stderr" "$(cat "$tmp/err")" ""
}

# ends STATUS [PART]: it ended so; with PART, stderr is one line that begins "dueq: " and has it.
ends() {
    is "status" "$status" "$1"
    [ $# -gt 1 ] || return 0
    is "lines on stderr" "$(wc -l <"$tmp/err")" 1
    has "stderr" "$(cat "$tmp/err")" "$2"
    is "the beginning of stderr" "$(head -c 6 "$tmp/err")" "dueq: "
}

out_is() {
    is "stdout" "$(out)" "$1"
}

out_has() {
    has "stdout" "$(out)" "$1"
}

# stat_is QUEUE NAME NUMBER: a count of dueq stats.
stat_is() {
    run --json stats "$1"
    is "$2 of queue $1" "$(field "$2")" "$3"
}

finish() {
    echo "$checks checks, $failures failed"
    [ "$checks" -gt 0 ] && [ "$failures" -eq 0 ]
    exit
}
