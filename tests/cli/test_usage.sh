#!/usr/bin/env bash
# The command line itself: help, options in every form, and all that is refused before anything is
# connected to. The URL leads nowhere, so that whatever gets past the checks ends with status 1.
. "$(dirname "$0")/lib.sh"
export DUEQ_URL=unix:$tmp/nowhere.sock

# ---- help and version
run --help
ok
out_has "usage: dueq"
for command in push take "done" release retry extend get cancel reschedule ls "dead ls" \
    "dead redrive" "dead drop" "queue create" "queue config" "queue pause" "queue resume" \
    "queue purge" "queue delete" queues stats work lock top doctor fsck import demo "server start" \
    "server stop" \
    "server status" help; do
    run --help
    out_has "  $command "
    # shellcheck disable=SC2086 # a command of a family is two words
    run $command --help
    ok
    out_has "usage: dueq $command"
    cp "$tmp/out" "$tmp/by_option"
    # shellcheck disable=SC2086
    run help $command
    ok
    is "dueq help $command" "$(out)" "$(cat "$tmp/by_option")"
done
run help queue
ok
out_has "queue create"
run queue --help
ok
out_has "queue purge"
run --version
ok
is "version" "$(out | sed 's/[0-9][0-9.]*$//')" "dueq "
run push --version
ok
run -h
ok

# ---- unknown words
run
ends 2 "a command is missing"
run pusch mail x
ends 2 'unknown command "pusch"; did you mean push?'
run xyzzyxyzzy
ends 2 'unknown command "xyzzyxyzzy"; see dueq --help'
run queue
ends 2 "queue what?"
run queue craete mail
ends 2 'unknown command "queue craete"; did you mean create?'
run help nothing-like-it
ends 2 "unknown command"
run push mail x --heder a=b
ends 2 "unknown option --heder; did you mean --header?"
run push mail x -z
ends 2 "unknown option -z"
run --jsn push mail x
ends 2 "did you mean --json?"
run push
ends 2 "usage: dueq push QUEUE"
run push mail a b c
ends 2 '"b" is too much'
run push mail x --in
ends 2 "--in needs a value: --in DUR"
run push mail x --quiet=yes
ends 2 "--quiet takes no value"
run push "$(printf 'a\nb')" x
ends 2 'a\nb'

# ---- names of queues
for name in "" "a b" "a{b}" "a/b" "$(printf 'q%.0s' {1..129})" "käse"; do
    run push "$name" x
    ends 2 "is not a queue name"
    run stats "$name"
    ends 2
    run fsck good "$name"
    ends 2
    run work "$name"
    ends 2
done
run stats "$(printf 'q%.0s' {1..128})"
ends 1 # it got as far as the server

# ---- ids
run push mail x --id ""
ends 2 "an id of 0 bytes"
run push mail x --id "$(printf 'i%.0s' {1..256})"
ends 2 "an id of 256 bytes: ids have 1 to 255"
run push mail x --id "$(printf 'i%.0s' {1..255})"
ends 1
run get mail ""
ends 2 "an id of 0 bytes"
run cancel mail good "$(printf 'i%.0s' {1..256})"
ends 2
run get mail --base64 "not base64"
ends 2 "is not base64"
run get mail --base64 ""
ends 2

# ---- delays and times
for delay in -1s "10 parsecs" 5 1e3s "" 9999999999d 99999999999999999999s ms 1s2 NaN; do
    run push mail x --in "$delay"
    ends 2 "is not a duration"
    run push mail x --in="$delay"
    ends 2 "is not a duration"
done
run push mail x --in 0
ends 1
for at in yesterday 2030-13-01T00:00:00Z 2030-01-01 @ @x "" 2030-01-01T00:00:00; do
    run push mail x --at "$at"
    ends 2 "is not a time"
done
run push mail x --at 2001-02-03T04:05:06Z
ends 1
run push mail x --in 1s --at @5
ends 2 "one of them"
run reschedule mail x
ends 2 "give --in DUR or --at TIME"
run reschedule mail x --in 1s --at @5
ends 2

# ---- numbers, sizes, choices
run take mail -n 0
ends 2 "--count: 0 is not between 1 and 10,000"
run take mail -n10001
ends 2
run take mail -n many
ends 2 '"many" is not a whole number'
run take mail -n 99999999999999999999
ends 2
run take mail --lease 8d
ends 2 "is not between"
run push mail x --max-attempts 0
ends 2
run push mail x --if-exists perhaps
ends 2 '"perhaps" is none of keep, replace, earliest, latest, fail'
run ls mail --state asleep
ends 2 "is none of"
run queue create mail --payload-max 1parsec
ends 2 "is not a size"
run queue create mail --payload-max 1GiB
ends 2 "is not between"
run queue create mail --partitions 0
ends 2
run queue create mail --retention 8d
ends 2 "(or none)"
run queue config mail --partitions 2
ends 2 "unknown option --partitions"

# ---- headers
run push mail x --header novalue
ends 2 "is not NAME=VALUE"
run push mail x --header =v
ends 2 "1 to 128 characters"
run push mail x --header "a b=v"
ends 2 "A-Z a-z 0-9 _ -"
run push mail x --header a=1 --header a=2
ends 2 '"a" is given twice'
run push mail x --header "a=$(head -c 4097 /dev/zero | tr '\0' v)"
ends 2 "4096 bytes at most"
many=()
for i in {1..65}; do many+=(--header "h$i=v"); done
run push mail x "${many[@]}"
ends 2 "65 headers"

# ---- receipts
for receipt in "" "a b" "$(printf 'r%.0s' {1..369})" "käse"; do
    run "done" mail "$receipt"
    ends 2 "is not a receipt"
    run retry mail "$receipt"
    ends 2
done
run extend mail r
ends 2 "--lease DUR is missing"
run extend mail r --lease 0s
ends 2
run retry mail r --dead --in 5s
ends 2 "one of them"

# ---- bulk
run push mail --lines --ndjson
ends 2 "one of them"
run push mail --lines --id x
ends 2 "--id names one task"
run push mail payload --lines
ends 2 "leave the payload out"
run push mail x --keep-going
ends 2 "goes with --lines or --ndjson"

# ---- the dead, and what asks first
run dead drop mail
ends 2 "ids are missing, or --all"
run dead redrive mail x --all
ends 2 "one of them"
run dead drop mail --all
ends 2 "say --yes"
run queue purge mail
ends 2 "say --yes"

# ---- the worker
run work
ends 2
run work mail=0
ends 2 "a weight is a number"
run work mail=x
ends 2
run work mail=2 --strict
ends 2 "--strict"
run work mail --
ends 2 "a command is missing"
run work mail --backoff 1s
ends 2 "is not DUR..DUR"
run work mail --backoff 2s..1s
ends 2
run work mail --timeout 1s
ends 2 "--timeout goes with a command"
run work mail -c 1025
ends 2

# ---- options stand anywhere
run --json --url "unix:$tmp/other.sock" stats
ends 1 "other.sock"
run stats --url="unix:$tmp/other.sock"
ends 1 "other.sock"
run queue --json pause mail
ends 1
run push mail -- --in
ends 1

finish
