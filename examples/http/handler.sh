#!/usr/bin/env bash
# A handler for tasks that dueq posts: stores each payload in a file of its own. socat takes the
# connections, and runs this script once for each.
#
#     export DUEQ_HTTP_SECRET=...                         # of 64 bytes at most
#     bash handler.sh DIR PORT                            # 0: any free port
#     dueq work QUEUE --http http://127.0.0.1:PORT/
#
# 200 the task is done; 503 come back later (while DIR/paused exists); 410 it never will be (it is
# empty, or its id too long for the name of a file). Anything else is tried again too, after dueq's
# own backoff.
set -euo pipefail
export LC_ALL=C

age_max_s=300 # of a request: an older one may be a recording
body_len_max=$((64 * 1024 * 1024))
name_len_max=200 # of a file; file systems take some 50 more

if (($# == 2)); then
    export HANDLER_FOLDER=$1
    : "${DUEQ_HTTP_SECRET:?is to hold the secret}"
    exec socat -d -d "TCP-LISTEN:$2,bind=127.0.0.1,reuseaddr,fork,max-children=64" \
        "EXEC:bash '$(realpath "$0")'"
fi

# ---- The signature. The secret is never an argument of a program, where others could see it.

# pad NUMBER: each byte of the secret, and zeros up to 64, xor the number.
pad() {
    local i form
    for ((i = 0; i < 64; i++)); do
        printf -v form '\\x%02x' $((${key[i]:-0} ^ $1))
        printf '%b' "$form"
    done
}

# hmac: HMAC-SHA256 of stdin in hexadecimal.
hmac() {
    local inner
    inner=$({ pad 0x36 && cat; } | sha256sum)
    inner=${inner%% *}
    # shellcheck disable=SC2001 # & is not in every shell's own replacement
    { pad 0x5c && printf '%b' "$(sed 's/../\\x&/g' <<<"$inner")"; } | sha256sum | cut -d ' ' -f 1
}

# same TEXT TEXT: takes as long wherever they differ: it compares digests that nobody can choose.
same() {
    local salt
    salt=$(head -c 16 /dev/urandom | sha256sum)
    [[ $(sha256sum <<<"$salt$1") == $(sha256sum <<<"$salt$2") ]]
}

# Whether the request comes from a worker that knows the secret, and is not an old one.
is_signed() {
    local seconds said wanted age_s
    [[ ${header[dueq-signature]-} =~ ^t=([0-9]{1,12}),v1=([0-9a-f]{64})$ ]] || return 1
    seconds=${BASH_REMATCH[1]} said=${BASH_REMATCH[2]}
    age_s=$(($(date +%s) - 10#$seconds))
    ((age_s <= age_max_s && age_s >= -age_max_s)) || return 1
    # shellcheck disable=SC2207 # numbers
    key=($(printf %s "$DUEQ_HTTP_SECRET" | od -An -v -tu1))
    wanted=$({
        printf '%s\n' "$seconds" "${header[dueq-queue]-}" "${header[dueq-id]-}" \
            "${header[dueq-attempt]-}" "${header[dueq-token]-}"
        cat "$body"
    } | hmac)
    same "$wanted" "$said"
}

# ---- HTTP, as much of it as it takes: one request, then the connection is closed

# answer STATUS REASON TEXT [HEADER]
answer() {
    printf 'HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s' "$1 $2" "${#3}" \
        "${4:+$4$'\r\n'}" "$3"
    exit 0
}

declare -A header=()
read_head() {
    local line
    IFS= read -r line # POST / HTTP/1.1
    while IFS= read -r line && line=${line%$'\r'} && [[ -n $line ]]; do
        [[ $line =~ ^([A-Za-z0-9-]+):\ *(.*)$ ]] || continue
        header[${BASH_REMATCH[1],,}]=${BASH_REMATCH[2]}
    done
}

read_head
length=${header[content-length]-}
if [[ ! $length =~ ^[0-9]{1,9}$ ]] || ((10#$length > body_len_max)); then
    answer 413 "Content Too Large" "the payload is too large"
fi
body=$(mktemp "$HANDLER_FOLDER/.body.XXXXXX")
trap 'rm -f "$body"' EXIT
head -c "$length" >"$body"
[[ $(wc -c <"$body") == "$length" ]] || exit 1 # the worker has gone

is_signed || answer 401 Unauthorized "the signature is missing, wrong or old"
[[ ! -e $HANDLER_FOLDER/paused ]] || answer 503 "Service Unavailable" paused "Retry-After: 60"
((length > 0)) || answer 410 Gone "the payload is empty"
name=task-${header[dueq-id]//\//%2F} # with "task-" even ".." is an id as any other
((${#name} <= name_len_max)) || answer 410 Gone "the id is too long for the name of a file"

# The work. A task may come twice, so it is such that doing it twice does no harm.
mv "$body" "$HANDLER_FOLDER/$name"
answer 200 OK stored
