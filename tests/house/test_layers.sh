#!/usr/bin/env bash
# No layer includes one above it; what is outside src/ knows dueq.h only.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$DUEQ_SOURCE"

layers=(base wire queue work)

# rank LAYER: its place in the order, "" for what is no layer
rank() {
    local i
    for i in "${!layers[@]}"; do
        [[ ${layers[i]} != "$1" ]] || echo "$i"
    done
}

# includes FOLDER: "file:line:path" for each #include "path" in its sources
includes() {
    [[ -d $1 ]] || return 0
    grep -rnoE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]+"' "$1" |
        sed -E 's/^([^:]*:[0-9]+:).*"([^"]+)"/\1\2/' || true
}

for layer in "${layers[@]}"; do
    while IFS=: read -r file line path; do
        [[ -n $file ]] || continue
        target=$(rank "${path%%/*}")
        case $path in
        dueq.h | outcome.def | scripts.h | */*.def) ;;
        */*)
            if [[ -z $target || ! -e src/$path ]]; then
                fail "$file:$line: \"$path\" is no file of a layer (write it relative to src/)"
            elif ((target > $(rank "$layer"))); then
                fail "$file:$line: $layer must not include ${path%%/*} (\"$path\")"
            fi
            ;;
        *) fail "$file:$line: \"$path\" must be written relative to src/" ;;
        esac
    done <<<"$(includes "src/$layer")"
done

# Redis begins at wire, TLS stays there, threads belong to work.
# uses PATTERN FOLDER…: the lines of their sources that match
uses() {
    grep -rnE --include='*.[ch]' "$@" || true
}
include='^[[:space:]]*#[[:space:]]*include[[:space:]]*'
fail_each "$(uses "$include<(valkey|openssl)/" src/base)" "(src/base knows no Redis)"
fail_each "$(uses "$include<openssl/(ssl|x509|bio|tls)" src/queue src/work)" \
    "(only src/wire speaks TLS itself)"
fail_each "$(uses "$include<(openssl|curl)/" src/queue)" "(src/queue knows neither)"
fail_each "$(uses '\b(pthread|thrd)_create\b' src/base src/wire src/queue)" "(only src/work has threads)"

for folder in cli examples; do
    while IFS=: read -r file line path; do
        [[ -z $file || $path == dueq.h || ($path != */* && -e $folder/$path) ]] ||
            fail "$file:$line: $folder stands on <dueq.h> alone, not on \"$path\""
    done <<<"$(includes "$folder")"
done

verdict
