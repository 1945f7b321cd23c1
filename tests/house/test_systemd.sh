#!/usr/bin/env bash
# The unit for systemd: what it runs exists, with the options it gives; its times fit each other and the
# program's own; systemd finds nothing wrong with it, where there is one to ask.
set -euo pipefail
. "$(dirname "$0")/common.sh"
: "${DUEQ:=$DUEQ_BUILD/dueq}"
unit=$DUEQ_BUILD/dueq-worker@.service
production=$DUEQ_SOURCE/doc/production.md

value() { sed -n "s/^$1=//p" "$unit"; }
[[ -e $unit ]] || {
    fail "the build makes $unit"
    verdict
}
# A placeholder that was not filled in would be a word of the form @NAME@.
! grep -qE '@[A-Z_]+@' "$unit" || fail "every placeholder is filled in: $(grep -oE '@[A-Z_]+@' "$unit")"

# ---- what it runs: all options it, its comments, and the production page's units name are the program's
help=$("$DUEQ" work --help)
start=$(value ExecStart)
[[ $start == */dueq\ work\ * ]] || fail "ExecStart runs dueq work: $start"
# Not the default of DUEQ_OPTIONS, which is to be none.
options_in() { sed 's/DUEQ_OPTIONS=--set-[^ ]*//' | grep -oE -- '--[a-z][a-z-]+' | sort -u; }
for option in $(options_in <"$unit"); do
    # systemctl's own, in a comment
    [[ $option == --now ]] || grep -qE -- " $option( |\$)" <<<"$help" ||
        fail "dueq work --help has $option, which the unit names"
done
names=$(grep -oE 'DUEQ_[A-Z]+' <<<"$start")
for name in $names; do
    grep -qE "^Environment=.*\b$name=" "$unit" || fail "$name, which ExecStart names, has a default"
    grep -qF "$name" "$production" || fail "doc/production.md tells of $name"
done

# ---- without options no command would run, and tasks be printed and done: refused, for good
defaults=$(sed -n 's/^Environment=.*DUEQ_OPTIONS=\([^ ]*\).*/\1/p' "$unit")
status=0
# shellcheck disable=SC2086 # words, as systemd takes them
said=$(timeout 20 "$DUEQ" work mail --grace 30s ${defaults//%i/mail} --url unix:/nonexistent 2>&1 \
    </dev/null) || status=$?
((status == 2)) || fail "dueq work is refused without DUEQ_OPTIONS: status $status"
[[ $(value RestartPreventExitStatus) == 2 ]] || fail "what is refused is not started again"
for word in DUEQ_OPTIONS /etc/dueq/mail.env; do
    [[ $said == *"$word"* ]] || fail "the refusal names $word: $said"
done

# ---- times: a stop is heard within 5 s even in a call to the server; handlers that do not obey are
# ended within 4 s of the grace's end; what is left is told to the server
grace_s=$(grep -oE -- '--grace [0-9]+s' <<<"$start" | grep -oE '[0-9]+')
stop_s=$(value TimeoutStopSec)
((stop_s >= grace_s + 14)) || fail "TimeoutStopSec ($stop_s) leaves room beside the grace ($grace_s)"
(($(value WatchdogSec) >= 30)) || fail "WatchdogSec bears a server that does not answer"

# ---- what systemd says of it, with this build's program in place of the installed one
command -v systemd-analyze >/dev/null || {
    verdict
    skip "no systemd-analyze to ask; the rest holds"
}
make_scratch
# shellcheck disable=SC2154 # set by make_scratch
sed "s|^ExecStart=[^ ]*|ExecStart=$DUEQ|" "$unit" >"$scratch/dueq-worker@.service"
systemd-analyze verify --man=no "$scratch/dueq-worker@.service" >"$scratch/said" 2>&1 ||
    fail "systemd-analyze verify: $(cat "$scratch/said")"
fail_each "$(grep -F dueq-worker@ "$scratch/said" || true)" "(systemd-analyze verify)"
# Exposure, as systemd counts it: 10.0 is a service without any bounds.
systemd-analyze security --offline=true --threshold=25 "$scratch/dueq-worker@.service" \
    >"$scratch/said" 2>&1 || fail "little is exposed: $(tail -n 1 "$scratch/said")"

verdict
