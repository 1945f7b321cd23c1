#!/usr/bin/env bash
# Completion in fish offers every command, and the options of each, as the program's own help has them.
set -euo pipefail
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/house/completion_words.sh
. "$(dirname "$0")/completion_words.sh"
command -v fish >/dev/null || skip "no fish to complete in"

# shellcheck disable=SC2154 # scratch is set by make_scratch
export HOME=$scratch XDG_CONFIG_HOME=$scratch XDG_DATA_HOME=$scratch
PATH=$(dirname "$DUEQ"):$PATH # the program goes by its name here
export PATH

# No word of the tests wants quotes.
# shellcheck disable=SC2016 # fish expands it
offers() {
    fish --no-config -c 'source $argv[1]; complete --do-complete $argv[2]' \
        "$DUEQ_SOURCE/completions/dueq.fish" "dueq $*" 2>>"$scratch/said" |
        cut -f 1 | sort -u | paste -sd ' '
}

check_offers
touch "$scratch/the-secret"
same "a file" "$scratch/the-secret" "$(offers work --http-secret-file "$scratch/the")"
fail_each "$(cat "$scratch/said")" "(said by fish)"

verdict
