#!/usr/bin/env bash
# Completion in zsh offers every command, and the options of each, as the program's own help has them.
set -euo pipefail
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/house/completion_words.sh
. "$(dirname "$0")/completion_words.sh"
zsh -f -c 'zmodload zsh/zpty' 2>/dev/null || skip "no zsh (with its module zpty) to complete in"

# zsh completes in its line editor alone: one on a pseudo-terminal begins with $TYPED in its line, writes
# down what is offered for it, and ends.
# shellcheck disable=SC2154 # scratch is set by make_scratch
export ZDOTDIR=$scratch DUEQ_SOURCE
cat >"$scratch/.zshrc" <<'END'
fpath=($DUEQ_SOURCE/completions $fpath)
autoload -Uz compinit
compinit -u -d $ZDOTDIR/dump
compadd() {
    local -a found
    if [[ ${(M)@[1,(i)(-|--)]} == *-[OAD]* ]]; then # it only sorts them out
        builtin compadd "$@"
        return
    fi
    builtin compadd -A found "$@"
    (( $#found == 0 )) || print -rl -- $found >>$ZDOTDIR/offers
    builtin compadd "$@"
}
zle-line-init() {
    BUFFER=$TYPED
    CURSOR=$#BUFFER
    zle list-choices
    exit
}
zle -N zle-line-init
END

offers() {
    : >"$scratch/offers"
    TYPED="$DUEQ $*" zsh -f -c 'zmodload zsh/zpty
        zpty line zsh -o no_global_rcs -i
        while zpty -r line said; do print -r -- "$said"; done' >>"$scratch/said" 2>&1
    sort -u "$scratch/offers" | paste -sd ' '
}

check_offers
touch "$scratch/the-secret"
same "a file" "the-secret" "$(offers work --http-secret-file "$scratch/the")"
fail_each "$(grep -aE '(_dueq[a-z_]*|compinit|zshrc):[0-9]*:' "$scratch/said" || true)" "(said by zsh)"

verdict
