#!/usr/bin/env bash
# dueq.h: carries the build's version, stands alone in C and C++, and says something about each
# function; the outcomes in it are those of src/outcome.def.
set -euo pipefail
. "$(dirname "$0")/common.sh"
make_scratch
header=$DUEQ_SOURCE/include/dueq.h

project=$(sed -n 's/^project(dueq VERSION \([0-9.]*\).*/\1/p' "$DUEQ_SOURCE/CMakeLists.txt")
written=$(sed -n 's/^#define DUEQ_VERSION_\(MAJOR\|MINOR\|PATCH\) \([0-9]*\)$/\2/p' "$header" | paste -sd .)
same "the version in dueq.h and in CMakeLists.txt" "$project" "$written"

strict=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wundef -Werror)
for compiler in gcc clang; do
    command -v $compiler >/dev/null || continue
    for std in c99 c11; do
        $compiler -std=$std "${strict[@]}" -fsyntax-only -x c "$header" ||
            fail "$compiler -std=$std takes dueq.h alone"
    done
done
if command -v g++ >/dev/null; then
    g++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c++ "$header" ||
        fail "g++ takes dueq.h alone"
fi

# Each outcome, name and number, in both places.
from_enum=$(sed -n '/^typedef enum dueq_outcome/,/^} dueq_outcome/p' "$header" |
    sed -n 's/^ *\(DUEQ_[A-Z]*\) = \(-\{0,1\}[0-9]*\),\{0,1\}.*/\1 \2/p')
from_list=$(sed -n 's/^OUTCOME(\(DUEQ_[A-Z]*\), *\(-\{0,1\}[0-9]*\),.*/\1 \2/p' "$DUEQ_SOURCE/src/outcome.def")
same_lines "the outcomes of dueq.h and of src/outcome.def" "$from_list" "$from_enum"

# A function is documented by the comment right above it, or shares one with its neighbours.
undocumented=$(awk '
    /\*\/[ \t]*$/ { commented = 1; next }
    /^DUEQ_API/ { if (!commented) print "line " NR ": " $0; in_declaration = !/;/; next }
    in_declaration { in_declaration = !/;/; next }
    { commented = 0 }' "$header")
fail_each "$undocumented" "has no comment above it"

verdict
