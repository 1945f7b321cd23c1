#!/usr/bin/env bash
# libdueq(3): lint clean; every public function of dueq.h is in its synopsis, with the header's
# arguments, and in its text; every outcome is explained; nothing is there that the header lacks.
set -euo pipefail
. "$(dirname "$0")/common.sh"
header=$DUEQ_SOURCE/include/dueq.h
page=$DUEQ_SOURCE/man/libdueq.3

if command -v mandoc >/dev/null; then
    fail_each "$(mandoc -T lint -W warning "$page" 2>&1 || true)" ""
fi

# "name(argument names and types, blanks squeezed)", one a line, from each of the two.
header_functions=$(grep -v '^#' "$header" | tr '\n' ' ' | sed 's|/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/||g' |
    grep -o 'DUEQ_API [^;]*;' |
    sed -E 's/^.*[ *](dueq_[a-z_]+)\(([^;]*)\);$/\1(\2)/; s/ +/ /g' | sort)
page_functions=$(awk '
    function add(text) { list = list (list == "" ? "" : ", ") text }
    function fields(line,   at) {
        while (match(line, /"[^"]*"|[^ "]+/)) {
            at = substr(line, RSTART, RLENGTH)
            gsub(/"/, "", at)
            add(at)
            line = substr(line, RSTART + RLENGTH)
        }
    }
    /^\.Sh DESCRIPTION/ { exit }
    /^\.Fn / { name = $2; list = ""; sub(/^\.Fn [a-z_]+ /, ""); fields($0); print name "(" list ")" }
    /^\.Fo / { name = $2; list = "" }
    /^\.Fa / { sub(/^\.Fa /, ""); fields($0) }
    /^\.Fc/ { print name "(" list ")" }' "$page" | grep -v '_fn(' | sort)
same_lines "the functions of dueq.h and of libdueq(3)" "$header_functions" "$page_functions"

text=$(sed -n '/^\.Sh DESCRIPTION/,$p' "$page")
for name in ${header_functions//(*/}; do
    [[ $name == dueq_* ]] || continue
    grep -qE "^\.Fn $name( |\$)" <<<"$text" || fail "libdueq(3) describes $name"
done

from_header=$(sed -n '/^typedef enum dueq_outcome/,/^} dueq_outcome/s/^ *\(DUEQ_[A-Z]*\) =.*/\1/p' \
    "$header" | grep -vx DUEQ_OK | sort)
from_page=$(sed -n 's/^\.It Dv \(DUEQ_[A-Z]*\)$/\1/p' "$page" | sort)
same_lines "the outcomes of dueq.h and of libdueq(3)" "$from_header" "$from_page"

verdict
