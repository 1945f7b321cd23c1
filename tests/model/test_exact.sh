#!/usr/bin/env bash
# The model of a server (redis.lua) answers what a server does, command by command.
. "$(dirname "$0")/../cli/lib.sh"
here=$(dirname "$0")

start_server main
for seed in 1 2 3 4 5 6 7 8; do
    for lua in lua5.1 lua5.4; do
        command -v "$lua" >/dev/null || continue
        raw_to main FLUSHALL >/dev/null
        raw_to main EVAL "$(cat "$here/commands.lua")" 4 zset hash list none "$seed" 500 \
            >"$tmp/wanted"
        "$lua" "$here/exact.lua" "$seed" 500 >"$tmp/found" 2>&1
        is "$lua, seed $seed: the difference" "$(diff "$tmp/wanted" "$tmp/found" | head -n 20)" ""
        is "$lua, seed $seed: answers" "$(wc -l <"$tmp/wanted")" 500
    done
done
finish
