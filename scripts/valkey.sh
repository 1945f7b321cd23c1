# What setup takes from the distribution's packages of Valkey: libvalkey, and on wish a server to test
# with. A part of scripts/setup, which sources it; never run.
# shellcheck shell=bash
# shellcheck disable=SC2164 # setup ends at what fails
# shellcheck disable=SC2154 # root, deps, log and libvalkey_source are set by setup

# ---- The place of work ---------------------------------------------------------------------------

# Makes $work, a folder for the time of this run; another setup waits meanwhile, and what it wants
# may stand afterwards.
work=
open_work() {
    [[ -z $work ]] || return 0
    exec 9>"$deps/lock"
    flock 9
    rm -rf "$deps"/work.* # of runs that were killed
    work=$(mktemp -d "$deps/work.XXXXXX")
    undo+=("rm -rf '$work'")
}

# Moves $work/NAME to .deps/NAME, in place of what is there, and says what it is.
put_in_place() {
    [[ ! -e $deps/$1 ]] || mv "$deps/$1" "$work/previous-$1"
    mv "$work/$1" "$deps/$1"
    say "$(head -n 1 "$deps/$1/stamp")"
}

# ---- Where valkey is fetched from ----------------------------------------------------------------

# apt with settings and lists of its own in $work/apt. Signatures are checked as ever. Only where an
# index is out of date (a mirror that is kept frozen), one up to a year old is taken, and said.
index_age=()
private_apt() {
    local command=$1
    shift
    "$command" -q -o "Dir::Etc::SourceList=$work/apt/sources.list" \
        -o "Dir::Etc::SourceParts=$work/apt/none" -o "Dir::State::Lists=$work/apt/lists" \
        -o "Dir::Cache=$work/apt/cache" "${index_age[@]}" \
        -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

update_private_apt() {
    private_apt apt-get update >>"$log" 2>&1 </dev/null && return
    index_age=(-o Acquire::Min-ValidTime=31536000)
    private_apt apt-get update >>"$log" 2>&1 </dev/null || {
        index_age=()
        return 1
    }
    say "setup: the archive's index is out of date; its signature is good, and it is taken"
}

# The archive of the distribution as this machine's apt reaches it.
debian_archive() {
    # shellcheck disable=SC2016 # apt expands it
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
        'Label: Debian' 2>/dev/null | head -n 1
}

# The newest version of the source package valkey that has libvalkey in it, "" if none.
newest_valkey() {
    local version newest=
    for version in $(private_apt apt-cache showsrc --only-source valkey 2>/dev/null |
        sed -n 's/^Version: //p'); do
        dpkg --compare-versions "$version" ge 9 || continue
        dpkg --compare-versions "$version" gt "${newest:-0}" && newest=$version
    done
    echo "$newest"
}

# Sets $archive and $keyring, and makes the folders of private_apt; WITHOUT is what to do without.
prepare_private_apt() {
    local without=$1
    archive=$(debian_archive)
    if [[ -z $archive ]]; then
        step "apt-get update" "$update_hint" apt update
        archive=$(debian_archive)
    fi
    [[ -n $archive ]] || die "apt has no Debian archive to fetch valkey from; $without"
    for keyring in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp} ''; do
        [[ ! -e $keyring ]] || break
    done
    [[ -n $keyring ]] || die "the archive's keyring is missing: apt-get install debian-archive-keyring"
    mkdir -p "$work/apt/none" "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
}

# Unpacks the source package into $fetched, once, and sets $fetched_version; WITHOUT is what to do
# where that cannot be.
fetched=
fetch_valkey() {
    local without=$1 suite version=
    [[ -z $fetched ]] || return 0
    have dpkg-source || install_packages dpkg-dev
    prepare_private_apt "$without"
    for suite in testing unstable; do
        echo "deb-src [signed-by=$keyring] $archive $suite main" >"$work/apt/sources.list"
        update_private_apt || continue
        version=$(newest_valkey)
        [[ -z $version ]] || break
    done
    [[ -n $version ]] || die "found no source package valkey of version 9 or later at $archive \
(see $log): look at the network, $without"
    mkdir "$work/fetched"
    cd "$work/fetched"
    step "fetching the source package valkey $version" "look at the network, $without" \
        private_apt apt-get source --only-source "valkey=$version"
    cd "$root"
    fetched=$(echo "$work"/fetched/valkey-*/)
    fetched_version=$version
}

# ---- libvalkey -----------------------------------------------------------------------------------

recipe=1 # raise it when the way libvalkey is built changes
libvalkey_hint="or give an unpacked libvalkey (in valkey 9 and later it is deps/libvalkey): \
scripts/setup --libvalkey DIR"

libvalkey_stands() {
    [[ -z $libvalkey_source ]] || return 1
    has_library 'valkey valkey_tls' || grep -qsx "recipe $recipe" "$deps/libvalkey/stamp"
}

# Builds $libvalkey_source into $work/libvalkey.
compile_libvalkey() {
    [[ -e $libvalkey_source/include/valkey/valkey.h ]] ||
        die "$libvalkey_source does not hold libvalkey (include/valkey/valkey.h)"
    cp -r "$libvalkey_source" "$work/source"
    sed -i 's/-Werror //' "$work/source/CMakeLists.txt" # newer compilers find new warnings
    step "configuring libvalkey" "please report it with that file" \
        cmake -S "$work/source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DBUILD_SHARED_LIBS=OFF -DENABLE_TLS=ON -DDISABLE_TESTS=ON \
        -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_INSTALL_LIBDIR=lib \
        -DCMAKE_C_FLAGS="-fstack-protector-strong -ffile-prefix-map=$work/source=libvalkey" \
        -DCMAKE_C_FLAGS_RELEASE="-O2 -DNDEBUG -D_FORTIFY_SOURCE=2" \
        -DCMAKE_INSTALL_PREFIX="$work/libvalkey"
    step "building libvalkey" "please report it with that file" cmake --build "$work/build"
    step "installing libvalkey into .deps" "is the disk full?" cmake --install "$work/build"
    rm -rf "$work/libvalkey/lib/cmake" "$work/libvalkey/lib/pkgconfig" # they name $work
    cp "$work/source/COPYING" "$work/libvalkey/COPYING"
}

libvalkey_version() {
    sed -n 's/^#define LIBVALKEY_VERSION_[A-Z]* \([0-9]*\)$/\1/p' \
        "$work/libvalkey/include/valkey/valkey.h" | paste -sd .
}

build_libvalkey() {
    open_work
    ! libvalkey_stands || return 0
    local origin=$libvalkey_source
    if [[ -z $libvalkey_source ]]; then
        have apt-get || die "libvalkey with TLS is missing: install it so that pkg-config knows \
valkey and valkey_tls, $libvalkey_hint"
        say "fetching libvalkey from the distribution's source package valkey"
        fetch_valkey "$libvalkey_hint"
        libvalkey_source=${fetched}deps/libvalkey
        origin="valkey $fetched_version"
    fi
    say "building libvalkey"
    compile_libvalkey
    printf 'libvalkey %s, from %s\nrecipe %s\n' "$(libvalkey_version)" "$origin" "$recipe" \
        >"$work/libvalkey/stamp"
    put_in_place libvalkey
}

# ---- A Valkey server, to test with ---------------------------------------------------------------

server_recipe=1 # raise it when what lies in .deps/valkey changes
server_hint="or name a Valkey server that you have: scripts/test --server PROGRAM"

server_stands() { grep -qsx "$1, recipe $server_recipe" "$deps/valkey/stamp"; }

# The distribution's own server: sets $suite and $version; false where it has none.
find_server() {
    local codename
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
    [[ -n $codename ]] || return 1
    prepare_private_apt "$server_hint"
    for suite in "$codename-backports" "$codename"; do
        echo "deb [signed-by=$keyring] $archive $suite main" >"$work/apt/sources.list"
        update_private_apt || continue
        version=$(private_apt apt-cache -o Dir::State::status=/dev/null show valkey-server 2>>"$log" |
            sed -n '/^Version: / { s///p; q; }') || true
        [[ -z $version ]] || return 0
    done
    return 1
}

# Unpacks it into $work/valkey; it is not installed, so that no service comes with it.
unpack_server() {
    local package
    origin="$suite, $version"
    mkdir "$work/packages" "$work/unpacked" "$work/valkey"
    cd "$work/packages"
    step "fetching valkey-server $version" "look at the network, $server_hint" \
        private_apt apt-get download "valkey-server=$version" "valkey-tools=$version"
    cd "$root"
    for package in "$work"/packages/*.deb; do
        step "unpacking ${package##*/}" "is the disk full?" dpkg -x "$package" "$work/unpacked"
    done
    mv "$work/unpacked/usr/bin" "$work/valkey/bin"
    cp "$work/unpacked/usr/share/doc/valkey-server/copyright" "$work/valkey/COPYING"
}

# The libraries that its packages would have brought.
complete_server() {
    ! "$work/valkey/bin/valkey-server" --version >>"$log" 2>&1 || return 0
    install_packages libatomic1 libjemalloc2 liblzf1 libsystemd0
}

# Builds the server from the newest source package into $work/valkey.
compile_server() {
    fetch_valkey "$server_hint"
    origin="source $fetched_version"
    have make || install_packages make
    say "building Valkey $fetched_version, which takes some minutes"
    step "building Valkey" "please report it with that file, $server_hint" \
        make -C "$fetched" -j "$(jobs_count)" BUILD_TLS=yes MALLOC=libc USE_SYSTEMD=no
    step "installing Valkey into .deps" "is the disk full?" \
        make -C "$fetched" install BUILD_TLS=yes MALLOC=libc USE_SYSTEMD=no \
        PREFIX="$work/valkey"
    cp "${fetched}COPYING" "$work/valkey/COPYING"
}

# Puts a Valkey server into .deps/valkey: KIND packaged or newest.
provide_server() {
    local kind=$1 suite version origin built
    open_work
    ! server_stands "$kind" || return 0
    have apt-get || die "a Valkey server is fetched by apt alone, $server_hint"
    say "fetching a Valkey server"
    if [[ $kind == packaged ]] && find_server; then
        unpack_server
        complete_server
    else
        compile_server
    fi
    built=$("$work/valkey/bin/valkey-server" --version 2>>"$log") ||
        die "the Valkey server that was put together does not run (see $log), $server_hint"
    printf '%s (%s)\n%s, recipe %s\n' "${built%% sha=*}" "$origin" "$kind" "$server_recipe" \
        >"$work/valkey/stamp"
    put_in_place valkey
}
