#!/usr/bin/env bash
# An installed dueq serves a program of somebody else's: by pkg-config, shared and static, and by
# find_package; it exports dueq_* only, and stands alone. test-timeout-s: 120
set -euo pipefail
. "$(dirname "$0")/common.sh"
[[ -z ${DUEQ_SANITIZE-} ]] || skip "a sanitizer's library is not for others to link"
make_scratch
# shellcheck disable=SC2154 # set by make_scratch
prefix=$scratch/prefix
header=$prefix/include/dueq.h

cmake --install "$DUEQ_BUILD" --prefix "$prefix" >"$scratch/log" || {
    cat "$scratch/log" >&2
    fail "cmake --install works"
    verdict
}
libdir=$(dirname "$(find "$prefix" -name libdueq.a)")
export PKG_CONFIG_PATH=$libdir/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
version=$(sed -n 's/^project(dueq VERSION \([0-9.]*\).*/\1/p' "$DUEQ_SOURCE/CMakeLists.txt")

# ---- what is there

for file in bin/dueq include/dueq.h share/bash-completion/completions/dueq \
    share/zsh/site-functions/_dueq share/fish/vendor_completions.d/dueq.fish \
    lib/systemd/system/dueq-worker@.service share/doc/dueq/LICENSE; do
    [[ -e $prefix/$file ]] || fail "$file is installed"
done
for page in "$DUEQ_SOURCE"/man/*.[1-8]; do
    [[ ! -e $page || -e $prefix/share/man/man${page##*.}/$(basename "$page") ]] ||
        fail "$(basename "$page") is installed"
done
same "the soname" "libdueq.so.${version%%.*}" \
    "$(objdump -p "$libdir/libdueq.so" | sed -n 's/^ *SONAME *//p')"
same "the file behind libdueq.so" "libdueq.so.$version" \
    "$(basename "$(readlink -f "$libdir/libdueq.so")")"

# ---- what is exported: the functions of the header, each, and nothing else

declared=$(sed -n '/^DUEQ_API/,/;/p' "$header" | tr '\n' ' ' |
    grep -oE '\bdueq_[a-z0-9_]+\(' | tr -d '(' | sort -u)
exported() { sed -n 's/^[0-9a-f]* [TDBRVW] \([^@]*\).*/\1/p' | sort -u; }
same_lines "the exports of libdueq.so" "$declared" "$(nm -D --defined-only "$libdir/libdueq.so" | exported)"
same_lines "the exports of libdueq.a" "$declared" "$(nm -g --defined-only "$libdir/libdueq.a" | exported)"

# ---- what is needed

needed() { objdump -p "$1" | sed -n 's/^ *NEEDED *//p' | sort | paste -sd ' '; }
if ! pkg-config --exists valkey; then
    for file in "$prefix/bin/dueq" "$libdir/libdueq.so"; do
        [[ $(needed "$file") != *valkey* ]] || fail "$file stands alone: $(needed "$file")"
    done
fi
[[ $(needed "$prefix/bin/dueq") != *libdueq* ]] || fail "the program carries the library in itself"
unresolved=$(ldd -r "$libdir/libdueq.so" 2>&1 | grep -iE 'undefined|not found' || true)
same "what libdueq.so leaves undefined" "" "$unresolved"
"$prefix/bin/dueq" --version >"$scratch/out" || fail "the installed program runs"
grep -qF "$version" "$scratch/out" || fail "dueq --version says $version: $(cat "$scratch/out")"

# ---- a program of somebody else's

mkdir "$scratch/user"
cd "$scratch/user"
cat >user.c <<'END'
#include <dueq.h>
#include <stdio.h>

int main(void)
{
    dueq *handle = NULL;
    int64_t ms = 0;
    int rc = dueq_open(&handle, "nonsense://", NULL);
    dueq_close(handle);
    if (rc != DUEQ_EINVAL || dueq_parse_duration("1h30m", &ms) != DUEQ_OK || ms != 5400000) {
        fprintf(stderr, "open: %d, duration: %lld\n", rc, (long long)ms);
        return 1;
    }
    return puts(dueq_version()) < 0;
}
END
cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.16)
project(user C)
find_package(dueq 0.1 REQUIRED)
add_executable(by_cmake user.c)
target_link_libraries(by_cmake PRIVATE dueq::dueq)
add_executable(by_cmake_static user.c)
target_link_libraries(by_cmake_static PRIVATE dueq::static)
END
read -ra flags <<<"$(pkg-config --cflags --libs dueq)"
read -ra static_flags <<<"$(pkg-config --cflags --libs --static dueq | sed 's/-ldueq\b/-l:libdueq.a/')"

cc -Wall -Werror user.c -o by_pkg_config "${flags[@]}" || fail "pkg-config --libs links"
cc -Wall -Werror user.c -o by_pkg_config_static "${static_flags[@]}" || fail "pkg-config --static links"
{ cmake -S . -B build -DCMAKE_PREFIX_PATH="$prefix" && cmake --build build; } >cmake.log 2>&1 || {
    cat cmake.log >&2
    fail "find_package(dueq) builds"
}
same "pkg-config --modversion dueq" "$version" "$(pkg-config --modversion dueq)"
for program in by_pkg_config by_pkg_config_static build/by_cmake build/by_cmake_static; do
    same "the version $program prints" "$version" "$(LD_LIBRARY_PATH=$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} ./$program 2>&1)"
done
for program in by_pkg_config_static build/by_cmake_static; do
    [[ ! -e $program || $(needed $program) != *libdueq* ]] || fail "$program is linked statically"
done

verdict
