#!/usr/bin/env bash
# Bugs planted in the scripts and in the worker's machine are found by what test_wakeup.sh runs.
# test-timeout-s: 400
set -euo pipefail
. "$(dirname "$0")/../house/common.sh"
[[ -z ${DUEQ_SANITIZE:-} ]] || skip "the scripts are the same in every build"
lua=lua5.4
command -v "$lua" >/dev/null || lua=lua5.1
exec "$lua" "$DUEQ_SOURCE/tests/model/run.lua" "$DUEQ_SOURCE" "$DUEQ_BUILD" planted
