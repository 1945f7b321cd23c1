#!/usr/bin/env bash
# No task waits longer for an idle worker than doc/design.md says, however pushes, workers, deaths
# and lost markers interleave: every state of small worlds is tried, with the scripts themselves.
# test-timeout-s: 600
set -euo pipefail
. "$(dirname "$0")/../house/common.sh"
[[ -z ${DUEQ_SANITIZE:-} ]] || skip "the scripts are the same in every build"
# By Lua 5.1, as in the servers; planted bugs by 5.4.
exec lua5.1 "$DUEQ_SOURCE/tests/model/run.lua" "$DUEQ_SOURCE" "$DUEQ_BUILD" scenarios
