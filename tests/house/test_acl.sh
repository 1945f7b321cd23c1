#!/usr/bin/env bash
# One list of commands in three places: the ACL line of doc/production.md, what `dueq doctor` tries
# (src/queue/probe.c), and what the scripts call and the library sends.
set -euo pipefail
. "$(dirname "$0")/common.sh"
export LC_ALL=C
page=$DUEQ_SOURCE/doc/production.md
probe=$DUEQ_SOURCE/src/queue/probe.c
[[ -e $page ]] || skip "there is no doc/production.md yet"
[[ -e $probe ]] || skip "there is no src/queue/probe.c yet"

# Commands one a line, in lower case, sorted; a subcommand as "client|id".
tidy() { tr '[:upper:]' '[:lower:]' | sort -u; }

allowed() { awk '/^<!-- acl: end/ { inside = 0 } inside; /^<!-- acl:/ { inside = !/end/ }' "$page"; }
page_list=$(allowed | grep -oE '\+[a-z|]+' | tr -d + | tidy)

probe_list=$(sed -nE 's/^ *\{(true|false), \{"([A-Z]+)"(, "([^"]*)")?.*/\2 \4/p' "$probe" |
    awk '{ print $1 (($1 ~ /^(CLIENT|CLUSTER)$/) ? "|" $2 : "") }' | tidy)

# Words in capitals and single quotes are commands, but for these, which are options or errors.
script_list=$(cat "$DUEQ_SOURCE"/lua/*.lua "$DUEQ_SOURCE"/lua/shared/*.lua | sed 's/--.*//' |
    grep -oE "'[A-Z]{3,}'" | tr -d "'" | grep -vxE 'COUNT|LIMIT|OOM|PXAT|WITHSCORES' | tidy)

# What the library sends: AUTH needs no permission, SELECT only another database, SENTINEL goes to
# sentinels. The words of
# error replies and of the embedded server are not sent; what doctor and facts ask can be refused.
sent_list=$(find "$DUEQ_SOURCE/src/queue" "$DUEQ_SOURCE/src/wire" -name '*.c' ! -name 'local*' \
    ! -name probe.c ! -name doctor.c ! -name facts.c ! -name answer.c -exec cat {} + |
    grep -oE '"[A-Z]{2,}"' | tr -d '"' | grep -vxE 'AUTH|SELECT|SENTINEL|WITHSCORES' |
    sed -E 's/^(ID|SETNAME|UNBLOCK)$/client|\1/; s/^SLOTS$/cluster|\0/; /^(CLIENT|CLUSTER)$/d' | tidy)

[[ $page_list == *evalsha* ]] || fail "doc/production.md has an ACL line between its acl: comments"
used_list=$(printf '%s\n%s\n' "$script_list" "$sent_list" | tidy)
same_lines "the commands that are used, and the ACL line of doc/production.md" "$used_list" "$page_list"
same_lines "the commands that are used, and those that doctor tries" "$used_list" "$probe_list"

verdict
