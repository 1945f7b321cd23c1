# What completion offers in every shell. Sourced, never run, by a test that has `offers WORD…`: what is
# offered for the last word, which may be empty, on one line, sorted.
# shellcheck shell=bash

: "${DUEQ:=$DUEQ_BUILD/dueq}"
unset DUEQ_URL
export XDG_STATE_HOME=/nonexistent # no private server runs

# The program, with a server of its own that has two queues.
make_scratch
# shellcheck disable=SC2154 # set by make_scratch
mkdir "$scratch/bin"
cat >"$scratch/bin/dueq" <<END
#!/bin/sh
case \$* in
"--url unix:/its/own --json queues") printf '{"queue":"%s"}\n' mail news ;;
*) exec '$DUEQ' "\$@" ;;
esac
END
chmod +x "$scratch/bin/dueq"
DUEQ=$scratch/bin/dueq

# has WHAT LIST WORD…
has() {
    local what=$1 list=$2 word
    shift 2
    for word in "$@"; do
        [[ " $list " == *" $word "* ]] || fail "$what: $word is offered (offered: $list)"
    done
}

check_offers() {
    has "commands" "$(offers '')" push take 'done' retry release extend get cancel reschedule ls dead \
        queue queues stats work lock doctor fsck import demo server
    has "of queue" "$(offers queue '')" create config pause resume purge delete
    has "of dead" "$(offers dead '')" ls redrive drop
    has "of server" "$(offers server '')" start stop status
    same "what begins with pus" "push" "$(offers pus)"
    same "a word no command begins with" "" "$(offers zzz)"
    has "global options" "$(offers --)" --url --json --help --version
    has "a command after a global option" "$(offers --json pus)" push
    has "a command after a server's URL" "$(offers --url unix:/nonexistent pus)" push
    has "kinds of URL" "$(offers --url '')" redis:// redis-cluster:// unix: local:
    has "kinds of URL, after a command" "$(offers push --url '')" redis:// redis-cluster:// unix: local:
    same "queues of the server that is named" "mail news" "$(offers push --url unix:/its/own '')"
    same "queues of the server named before" "news" "$(offers --url unix:/its/own queue delete n)"
    same "queues of the server in DUEQ_URL" "mail" "$(DUEQ_URL=unix:/its/own offers work m)"
    same "no queue where a duration is due" "" "$(offers push --url unix:/its/own --in '')"
    has "options of push" "$(offers push --)" --in --at --id --header --if-exists --max-attempts \
        --lines --ndjson --url --json
    has "options of queue create" "$(offers queue create --)" --partitions --json
    has "policies" "$(offers push --if-exists '')" keep replace earliest latest fail
    has "levels of durability" "$(offers push --durability '')" none replicas:1 fsync
    has "kinds of bench" "$(offers bench '')" push work lateness mix burst memory idle scale
    has "states" "$(offers ls --state '')" waiting ready leased dead
    has "options of work" "$(offers work --)" --prefetch --stdio --window --http --http-secret-file \
        --http-ca --lost-signal --log-format --log-level
    same "forms of the log" "json logfmt" "$(offers work --log-format '')"
    same "levels of the log" "debug error info warn" "$(offers work --log-level '')"
    has "signals" "$(offers work --lost-signal US)" USR1 USR2
    same "a duration" "" "$(offers push --in '')"
    has "options of lock" "$(offers lock --)" --ttl --wait --owner --signal --grace \
        --conflict-exit-code --url
    has "options of import" "$(offers import --)" --zset --into --unit --lock-prefix --no-locks \
        --lock-keep --wait --follow --poll --page --dry-run
    same "units" "ms s" "$(offers import --unit '')"
    same "an operand of import, or an option" "" "$(offers import '' | sed 's/--[a-z-]* *//g')"
    same "a lock's name" "" "$(offers lock '')"
    has "a program to run under a lock" "$(offers lock nightly -- tru)" true
    has "a program to run for each task" "$(offers work mail -- tru)" true
}
