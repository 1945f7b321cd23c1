#!/usr/bin/env bash
# dueq(1) and --help tell of the same commands and options; and the man page is clean.
. "$(dirname "$0")/lib.sh"
man=${DUEQ_SOURCE:-$(dirname "$0")/../..}/man/dueq.1

# By the program: "COMMAND" and "COMMAND --option", a line each; the common options without one.
run --help
sed -n 's/^  \([a-z]\{2,\}\( [a-z]*\)\{0,1\}\)  .*/\1/p' "$tmp/out" | sed 's/ *$//' >"$tmp/commands"
options_of() {
    sed -n "/^$1:/,/^\$/s/^  \(-., \)\{0,1\}\(--[a-z0-9-]*\).*/\2/p" "$tmp/out"
}
{
    options_of Everywhere
    while read -r command; do
        echo "$command"
        # shellcheck disable=SC2086 # a command of a family is two words
        run $command --help
        options_of Options | sed "s/^/$command /"
    done <"$tmp/commands"
} | sort >"$tmp/by_help"

# By the manual: what its lists are tagged with.
awk '
    /^\.Sh COMMANDS/ { inside = 1 }
    /^\.Sh NAMES/ { exit }
    /^\.It Cm/ && inside {
        command = $3
        if ($4 ~ /^[a-z]/) command = command " " $4
        print command
    }
    /^\.It Fl/ {
        for (i = 3; i <= NF; i++)
            if ($i ~ /^-[a-z0-9]/) print (inside ? command " " : "") "-" $i
    }
' "$man" | sort >"$tmp/by_man"

is "commands by --help" "$(($(wc -l <"$tmp/commands") > 25))" 1
is "options by --help" "$(($(grep -c -- -- "$tmp/by_help") > 50))" 1
is "only in --help" "$(comm -23 "$tmp/by_help" "$tmp/by_man")" ""
is "only in the manual" "$(comm -13 "$tmp/by_help" "$tmp/by_man")" ""

# The same letters.
letters_of_help() {
    run --help
    sed -n 's/^  \(-., --[a-z]*\).*/\1/p' "$tmp/out"
    while read -r command; do
        # shellcheck disable=SC2086
        run $command --help
        sed -n 's/^  \(-., --[a-z]*\).*/\1/p' "$tmp/out"
    done <"$tmp/commands"
}
is "letters" "$(sed -n 's/^\.It Fl \(.\) , Fl -\([a-z]*\).*/-\1, --\2/p' "$man" | sort -u)" \
    "$(letters_of_help | sort -u)"

# Statuses, as the header of the program has them.
for status_name in "0" "1" "2" "3" "4" "5"; do
    is "status $status_name in the manual" "$(grep -c "^\.It $status_name\$" "$man")" 1
done

if command -v mandoc >/dev/null; then
    is "mandoc -T lint" "$(mandoc -T lint -W warning "$man")" ""
fi

finish
