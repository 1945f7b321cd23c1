#!/usr/bin/env bash
# The README's commands run as written: each fenced block opened by ```sh is run, in the order of
# the page, in one shell with the built program first on PATH and a private home. Blocks of another
# kind (```console, ```text, ```sh no-run) are for reading only. The C examples (```c) compile.
# test-timeout-s: 120
set -euo pipefail
. "$(dirname "$0")/common.sh"
readme=$DUEQ_SOURCE/README.md
[[ -e $readme ]] || skip "there is no README.md yet"
make_scratch

# blocks KIND: each block of the kind into $scratch/KIND-N, N counting from 1
blocks() {
    awk -v fence='```'"$1" -v stem="$scratch/$1-" '
        !inside && $0 == fence { inside = 1; file = stem (++n); printf "" >file; next }
        inside && $0 == "```" { inside = 0; close(file); next }
        inside { print >file }' "$readme"
}
blocks sh
blocks c

# ---- commands

mkdir "$scratch/bin" "$scratch/home"
ln -s "$DUEQ_BUILD/dueq" "$scratch/bin/dueq"
{
    echo 'set -euo pipefail'
    for ((n = 1; ; n++)); do
        [[ -e $scratch/sh-$n ]] || break
        printf 'echo "-- block %d" >&2\n' "$n"
        cat "$scratch/sh-$n"
    done
} >"$scratch/all.sh"

stop_server() {
    HOME=$scratch/home XDG_STATE_HOME=$scratch/home/state "$DUEQ_BUILD/dueq" server stop \
        >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap stop_server EXIT

[[ -e $scratch/sh-1 ]] || fail "README.md has commands to run (blocks opened by \`\`\`sh)"
(
    cd "$DUEQ_SOURCE"
    env -u DUEQ_URL HOME="$scratch/home" XDG_STATE_HOME="$scratch/home/state" \
        PATH="$scratch/bin:$PATH" bash "$scratch/all.sh"
) >"$scratch/out" 2>&1 </dev/null || {
    cat "$scratch/out" >&2
    fail "the commands of README.md run as written"
}

# ---- C

for ((n = 1; ; n++)); do
    [[ -e $scratch/c-$n ]] || break
    "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -I"$DUEQ_SOURCE/include" -fsyntax-only -x c "$scratch/c-$n" ||
        fail "C example $n of README.md compiles"
done

verdict
