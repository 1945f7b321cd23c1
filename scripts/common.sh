# What the scripts share: where the tree is, and how they speak. Sourced, never run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=$(basename "$0")

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "$program" "$*" >&2; }
die() {
    warn "$*"
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# How many compilers at a time.
jobs_count() { nproc 2>/dev/null || echo 2; }

# Reads ctest's JUnit file: sets passed, failed and skipped.
# shellcheck disable=SC2034 # for the caller
count_results() {
    local total counts
    counts=$(
        awk '/<testcase/ { exit }
            { while (match($0, /(tests|failures|skipped|disabled)="[0-9]+"/)) {
                split(substr($0, RSTART, RLENGTH), part, /[="]+/)
                count[part[1]] = part[2]
                $0 = substr($0, RSTART + RLENGTH) } }
            END { print count["tests"] + 0, count["failures"] + 0,
                  count["skipped"] + count["disabled"] }' "$1"
    )
    read -r total failed skipped <<<"$counts"
    passed=$((total - failed - skipped))
}

# build_preset NAME: configures and builds it; quiet when all goes well.
build_preset() {
    mkdir -p "$root/build"
    (cd "$root" && cmake --preset "$1" >"$root/build/$1.log" 2>&1) || {
        cat "$root/build/$1.log" >&2
        die "configuring preset $1 failed, see above"
    }
    (cd "$root" && cmake --build --preset "$1" -j "$(jobs_count)") >"$root/build/$1.log" 2>&1 || {
        grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking|Creating)' "$root/build/$1.log" | tail -n 80 >&2
        die "building preset $1 failed, see above"
    }
}
