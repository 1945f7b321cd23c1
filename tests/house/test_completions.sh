#!/usr/bin/env bash
# Completion in bash offers every command, and the options of each, as the program's own help has them.
set -euo pipefail
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/house/completion_words.sh
. "$(dirname "$0")/completion_words.sh"
# shellcheck source=completions/dueq.bash
. "$DUEQ_SOURCE/completions/dueq.bash"

offers() {
    COMP_WORDS=("$DUEQ" "$@")
    COMP_CWORD=$#
    _dueq
    ((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd ' '
}

check_offers
# shellcheck disable=SC2154 # scratch is set by make_scratch
touch "$scratch/secret"
same "a file" "$scratch/secret" "$(offers work --http-secret-file "$scratch/s")"

verdict
