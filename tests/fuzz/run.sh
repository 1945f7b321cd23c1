#!/usr/bin/env bash
# run.sh TARGET CORPUS SECONDS: a short libFuzzer run from the kept corpus. What it finds new goes
# to a scratch folder, never into the tree; an input that breaks the target is named at the end.
set -euo pipefail

target=$1 corpus=$2 seconds=$3
found=$target.found
mkdir -p "$found"
seeds=()
if [[ -d $corpus ]]; then seeds=("$corpus"); fi
exec "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -verbosity=1 -artifact_prefix="$found/broken-" "$found" "${seeds[@]}"
