#!/usr/bin/env bash
# Every test that doc/faults.md names is there, and every file of tests/fault/ is named by it.
. "$(dirname "$0")/common.sh"

page=$DUEQ_SOURCE/doc/faults.md
tests=$DUEQ_SOURCE/tests

# A line each of what the tables name: FILE, or FILE and FUNCTION; a function that is named without
# its file belongs to the last one before.
# shellcheck disable=SC2016 # backquotes, of Markdown
named=$(
    grep '^|' "$page" | grep -oE '`[a-z0-9]+/[a-z0-9_]+\.(c|sh)(: [a-z0-9_]+)?`|`[a-z0-9]+_[a-z0-9_]+`' |
        tr -d '\140:' | awk '/\// { file = $1; print; next } file != "" { print file, $1 }'
)
(($(wc -l <<<"$named") > 50)) || fail "doc/faults.md names too few tests: is it read rightly?"

while read -r file name; do
    if [[ ! -e $tests/$file ]]; then
        fail "doc/faults.md names tests/$file, which is not there"
    elif [[ -n $name ]] && ! grep -qE "^static void $name\(" "$tests/$file"; then
        fail "doc/faults.md names $name, which is not in tests/$file"
    fi
done <<<"$named"

for file in "$tests"/fault/test_*.c; do
    name=fault/${file##*/}
    grep -qF "$name" "$page" || fail "doc/faults.md does not name $name"
done
verdict
