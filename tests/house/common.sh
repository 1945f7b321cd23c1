# What the tests of the house share. Sourced, never run.
# They do without <(…): a bare chroot may lack /dev/fd.
# shellcheck shell=bash

: "${DUEQ_SOURCE:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
: "${DUEQ_BUILD:=$DUEQ_SOURCE/build/dev}"
failures=0

# fail TEXT…: notes a failure and goes on.
fail() {
    printf 'not so: %s\n' "$*" >&2
    failures=$((failures + 1))
}
# fail_each LINES TEXT: a failure a line, if there are any.
fail_each() {
    local line
    [[ -n $1 ]] || return 0
    while IFS= read -r line; do fail "$line $2"; done <<<"$1"
}
skip() {
    printf 'skipped: %s\n' "$*"
    exit 77
}
# same WHAT WANTED FOUND
same() {
    [[ $2 == "$3" ]] || fail "$(printf '%s\n  wanted: %s\n  found:  %s' "$1" "$2" "$3")"
}
# same_lines WHAT WANTED FOUND: lists; tells the lines that are missing (-) or too many (+).
same_lines() {
    local folder
    [[ $2 != "$3" ]] || return 0
    folder=$(mktemp -d)
    printf '%s\n' "$2" >"$folder/wanted"
    printf '%s\n' "$3" >"$folder/found"
    fail "$1: $(diff -U 0 "$folder/wanted" "$folder/found" | grep '^[-+][^-+]' | paste -sd ' ')"
    rm -rf "$folder"
}
verdict() {
    ((failures == 0)) || {
        printf '%d failed\n' "$failures" >&2
        exit 1
    }
}
# A folder that goes away with the test.
make_scratch() {
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
}
