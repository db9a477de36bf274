# What the scripts in tools/ share; to be sourced. Sets `root`, the folder of the project, and goes there.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
tool="tools/$(basename "$0")"
started=$SECONDS

# A step of progress, with the minutes and seconds since the start.
say() { printf '\033[1m[%02d:%02d] %s\033[0m\n' $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)) "$*"; }
fail() { printf '%s: %s\n' "$tool" "$*" >&2; exit 1; }

# Starts the same command again as root when it is not.
need_root() {
    [ "$(id -u)" = 0 ] && return
    command -v sudo >/dev/null || fail "this needs root; run it as root, or install sudo"
    exec sudo --preserve-env=CCACHE_DIR,DEBIAN_FRONTEND "$root/$tool" "$@"
}

# Installs the packages of the named parts of tools/packages that are not there; touches apt only when one is missing.
install_packages() {
    local wanted missing=() package
    wanted=$("$root/tools/packages" "$@") || exit 1
    for package in $wanted; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    say "installing ${#missing[@]} packages: ${missing[*]}"
    [ "$(id -u)" = 0 ] || fail "missing packages: ${missing[*]}; run this as root once"
    # A database that Debian's package makes and starts by itself is not wanted.
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        install -d /etc/postgresql-common
        printf 'create_main_cluster = false\n' > /etc/postgresql-common/createcluster.conf
    fi
    # Nor is a resolver that takes port 53 and puts itself into /etc/resolv.conf: tests start their own.
    if [[ " ${missing[*]} " == *" unbound "* ]]; then
        install -d /etc/systemd/system
        ln -sfn /dev/null /etc/systemd/system/unbound.service
        ln -sfn /dev/null /etc/systemd/system/unbound-resolvconf.service
    fi
    export DEBIAN_FRONTEND=noninteractive
    local log
    log=$(mktemp)
    if ! { apt-get -q update && apt-get -q install -y --no-install-recommends "${missing[@]}"; } > "$log" 2>&1; then
        tail -n 40 "$log" >&2
        rm -f "$log"
        fail "apt-get could not install the packages above"
    fi
    rm -f "$log"
}

# configure_preset NAME [CMAKE_ARGUMENT…]: configures build/NAME, quietly unless it fails.
configure_preset() {
    local preset=$1 log
    shift
    log=$(mktemp)
    # Another prefix may have been left behind by what makes the Debian package.
    if ! cmake --preset "$preset" -DCMAKE_INSTALL_PREFIX=/usr/local -DASSENT_TOGETHER=ON "$@" > "$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        fail "configuring '$preset' failed"
    fi
    rm -f "$log"
}

# build_preset NAME [TARGET…]: builds with as many jobs as there are processors, quietly unless it fails.
build_preset() {
    local preset=$1 log
    shift
    [ $# -gt 0 ] && set -- --target "$@"
    if [ -t 1 ]; then
        cmake --build --preset "$preset" "$@" -j "$(nproc)" || fail "building '$preset' failed"
        return
    fi
    log=$(mktemp)
    if ! cmake --build --preset "$preset" "$@" -j "$(nproc)" > "$log" 2>&1; then
        grep -E -A20 'FAILED|error:|warning:' "$log" | tail -n 120 >&2
        rm -f "$log"
        fail "building '$preset' failed"
    fi
    rm -f "$log"
}
