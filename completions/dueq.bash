# Completion of dueq(1) for bash. Commands and options come from the program's own --help, names of
# queues from the server, if one is named by --url or DUEQ_URL or the private one already runs.
# shellcheck shell=bash

# The commands, "queue create" as one line.
__dueq_commands() {
    "$1" --help 2>/dev/null | awk '/^  [a-z]/ {
        name = $1
        for (i = 2; i <= NF && index($0, name " " $i) == 3 && $i ~ /^[a-z]+$/; i++) name = name " " $i
        print name }'
}

# __dueq_options PROGRAM COMMAND: "--name" a line, "--name=" when it wants a value.
__dueq_options() {
    # shellcheck disable=SC2086 # a command may be two words
    "$1" $2 --help 2>/dev/null | awk '/^  (-[A-Za-z], +)?--[a-z]/ {
        match($0, /--[a-z][a-z-]*/)
        name = substr($0, RSTART, RLENGTH)
        print name (substr($0, RSTART + RLENGTH) ~ /^[ =][A-Z]/ ? "=" : "") }'
}

# __dueq_queues PROGRAM URL: never starts a server for it.
__dueq_queues() {
    local url=${2:-${DUEQ_URL-}}
    if [[ -z $url ]]; then
        "$1" server status >/dev/null 2>&1 || return 0
        url=local:
    fi
    timeout 1 "$1" --url "$url" --json queues 2>/dev/null |
        sed -n 's/.*"queue": *"\([^"]*\)".*/\1/p'
}

__dueq_offer() {
    local word
    while IFS= read -r word; do COMPREPLY+=("$word"); done <<<"$(compgen "$@")"
    [[ -n ${COMPREPLY[0]-} ]] || COMPREPLY=()
}

_dueq() {
    local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} previous=
    local commands command='' url='' operands=0 i word options
    COMPREPLY=()
    commands=$(__dueq_commands "$program")
    options=$(__dueq_options "$program" '')

    # What has been typed so far: the command, --url, how many operands, and the word before this.
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        --)
            if [[ $command == work || $command == lock ]]; then
                __dueq_offer -c -- "$current"
                __dueq_offer -f -- "$current"
                return
            fi
            ;;
        --url)
            url=${COMP_WORDS[i + 1]-}
            [[ $url != = ]] || url=${COMP_WORDS[i + 2]-}
            ;;
        -*) ;;
        *)
            if [[ $previous == -* && $'\n'$options$'\n' == *$'\n'"$previous="$'\n'* ]]; then
                : # the value of an option
            elif [[ $'\n'$commands == *$'\n'"${command:+$command }$word"* && $operands == 0 ]]; then
                command=${command:+$command }$word
                options=$(__dueq_options "$program" "$command")
            else
                operands=$((operands + 1))
            fi
            ;;
        esac
        [[ $word == = ]] || previous=$word
    done

    case $previous in
    --url) __dueq_offer -W 'redis:// rediss:// redis-cluster:// redis-sentinel:// unix: local:' -- "$current" && return ;;
    --if-exists) __dueq_offer -W 'keep replace earliest latest fail' -- "$current" && return ;;
    --durability) __dueq_offer -W 'none replicas:1 fsync' -- "$current" && return ;;
    --unit) __dueq_offer -W 's ms' -- "$current" && return ;;
    --into) __dueq_offer -W "$(__dueq_queues "$program" "$url")" -- "$current" && return ;;
    --state) __dueq_offer -W 'waiting ready leased dead' -- "$current" && return ;;
    --log-format) __dueq_offer -W 'logfmt json' -- "$current" && return ;;
    --log-level) __dueq_offer -W 'error warn info debug' -- "$current" && return ;;
    --lost-signal) __dueq_offer -W "$(compgen -A signal | sed -n 's/^SIG\([A-Z0-9]*\)$/\1/p')" -- "$current" && return ;;
    --http) __dueq_offer -W 'http:// https://' -- "$current" && return ;;
    --http-ca | --http-secret-file) __dueq_offer -f -- "$current" && return ;;
    --dir) __dueq_offer -d -- "$current" && return ;;
    esac
    if [[ $previous == --* && $'\n'$options$'\n' == *$'\n'"$previous="$'\n'* ]]; then
        return # a value that nobody can guess
    fi

    if [[ $current == -* ]]; then
        __dueq_offer -W "${options//=/}" -- "$current"
    elif [[ -z $command ]]; then
        __dueq_offer -W "$(cut -d' ' -f1 <<<"$commands" | sort -u)" -- "$current"
    elif [[ $command == help ]]; then
        __dueq_offer -W "$(cut -d' ' -f1 <<<"$commands" | sort -u)" -- "$current"
    elif [[ $'\n'$commands == *$'\n'"$command "* ]]; then
        __dueq_offer -W "$(sed -n "s/^$command //p" <<<"$commands")" -- "$current"
    elif [[ $command == bench ]]; then
        __dueq_offer -W 'push work lateness mix burst memory idle scale' -- "$current"
    elif ((operands == 0)) || [[ $command == work || $command == fsck || $command == top ]]; then
        case $command in
        server* | doctor | demo | queues | lock | import) ;;
        *) __dueq_offer -W "$(__dueq_queues "$program" "$url")" -- "$current" ;;
        esac
    fi
}

complete -F _dueq dueq
