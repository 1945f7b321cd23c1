#!/usr/bin/env bash
# Servers that are absent, refuse, are broken, full, read-only or no Redis at all; URLs wrong in
# every part; outputs that cannot be written. Each ends with one clear line and its status.
. "$(dirname "$0")/lib.sh"
start_main

# ---- URLs
for url in redis: redis:// "redis://host:0" "redis://host:65536" "redis://host:x" \
    "redis://[::1" "redis://host/notanumber" "redis://host?nosuch=1" "redis://%zz@host" unix: \
    "unix:relative" http://host nonsense "redis://host?timeout=soon" "redis://host?verify=maybe" \
    "redis-cluster://a,,b" "redis-cluster://a/1" "redis-sentinel://a" "redis://host?prefix=a{b"; do
    run --url "$url" stats
    ends 2 "URL: "
done
run --url "" stats
ok # an empty one is none: DUEQ_URL counts
run --url "redis://me:secret%zz@host" stats
has_not "the password" "$(cat "$tmp/err")" secret
run --url "unix:$tmp/main.sock?prefix=other" push mail x -q
ok
run queues
out_is ""
run --url "unix://$tmp/main.sock?db=3" push three x -q
ok
run queues
out_is ""

# ---- absent
run --url "unix:$tmp/nowhere.sock" push mail x
ends 1 nowhere.sock
out_is ""
run --url "redis://127.0.0.1:1" push mail x
ends 1 127.0.0.1:1

# ---- not Redis at all: a folder, a plain file, a server of something else
run --url "unix:$tmp" stats
ends 1 "cannot connect"
: >"$tmp/plain"
run --url "unix:$tmp/plain" stats
ends 1 "cannot connect"
perl -MIO::Socket::UNIX -e '
    my $server = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 5) or die;
    while (my $client = $server->accept) { print $client "HTTP/1.0 400 Bad Request\r\n\r\n"; }
' "$tmp/http.sock" &
server_pids+=("$!")
within 10 test -S "$tmp/http.sock"
run --url "unix:$tmp/http.sock" stats
ends 1 "Redis"

# ---- passwords and permissions
start_server auth
raw_to auth ACL SETUSER limited on '>pw' '~*' '&*' +@all -evalsha -eval >/dev/null
raw_to auth ACL SETUSER elsewhere on '>pw' '~other*' '&*' +@all >/dev/null
raw_to auth ACL SETUSER default on '>secret' >/dev/null
run --url "unix:$tmp/auth.sock" push mail x
ends 1 "wants a password"
run --url "unix://limited:wrong@$tmp/auth.sock" push mail x
ends 1 "refused the user or the password"
has_not "the password" "$(cat "$tmp/err")" wrong@
run --url "unix://limited:pw@$tmp/auth.sock" push mail x
ends 1 "evalsha"
run --url "unix://elsewhere:pw@$tmp/auth.sock" push mail x
ends 1 "the server's ACL does not permit it"
run --url "unix://default:secret@$tmp/auth.sock" push mail x
ok
run --url "unix://limited:pw@$tmp/auth.sock" doctor
is "status" "$status" 1
out_has "the ACL refuses EVAL, EVALSHA"
run --url "unix://elsewhere:pw@$tmp/auth.sock" doctor
is "status" "$status" 1
out_has "the ACL refuses every command on keys that begin with dueq:"

# ---- a key of another type
run push typed x -q
raw DEL 'dueq:{typed:0}:due' >/dev/null
raw SET 'dueq:{typed:0}:due' text >/dev/null
for command in "push typed x" "take typed" "stats typed" "ls typed"; do
    # shellcheck disable=SC2086 # words
    run $command
    ends 1 "dueq: "
done
raw DEL 'dueq:{typed:0}:due' dueq:queues >/dev/null
raw SET dueq:queues text >/dev/null
run push mail x
ends 1
raw DEL dueq:queues >/dev/null

# ---- read-only
start_server replica --replicaof 127.0.0.1 1
run --url "unix:$tmp/replica.sock?timeout=300ms" push mail x
ends 1 "replica"

# ---- out of memory: no push, but done and take go on
seq 1 50 | "$DUEQ" push full --lines -q
run take full -n 2
receipts=$(out | sed 's/.*"receipt":"\([^"]*\)".*/\1/')
raw CONFIG SET maxmemory 1 >/dev/null
run push full more
ends 1 memory
out_is ""
# shellcheck disable=SC2086 # two of them
run "done" full $receipts
ok
run take full
ok
run "done" full "$(field receipt)"
ok
raw CONFIG SET maxmemory 0 >/dev/null
stat_is full "done" 3
stat_is full ready 47

# ---- outputs that cannot be written, and readers that go away
for command in "stats" "ls full" "--json ls full" "--help" "push full x" "queues"; do
    # shellcheck disable=SC2086 # words
    "$DUEQ" $command >/dev/full 2>"$tmp/err" </dev/null
    status=$? ran="dueq $command >/dev/full"
    ends 1 "cannot write to standard output"
done
seq 1 20000 | "$DUEQ" push wide --lines -q
"$DUEQ" ls wide --all 2>"$tmp/err" | head -n 1 >"$tmp/out"
is "statuses of ls | head" "${PIPESTATUS[*]}" "141 0"
is "stderr" "$(cat "$tmp/err")" ""
seq 1 100000 | "$DUEQ" push wide --lines 2>"$tmp/err" | head -n 1 >"$tmp/out"
is "stderr" "$(cat "$tmp/err")" ""

# ---- stdin that cannot be read
"$DUEQ" push mail <"$tmp" >"$tmp/out" 2>"$tmp/err"
status=$? ran="dueq push mail <folder"
ends 1 "cannot read stdin"
"$DUEQ" push mail --lines <"$tmp" >"$tmp/out" 2>"$tmp/err"
status=$? ran="dueq push mail --lines <folder"
ends 1 "cannot read stdin"

# ---- a server that stops while it is waited on
start_server frozen
kill -STOP "$server_pid"
run --url "unix:$tmp/frozen.sock?timeout=200ms&connect_timeout=200ms" stats
ends 1 frozen.sock
kill -CONT "$server_pid"

finish
