# The one list of Debian packages, and how missing ones are installed.  Sourced by quickstart.sh and test.sh.

BUILD_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config libuv1-dev libhiredis-dev libzstd-dev zlib1g-dev
    libxxhash-dev libfyaml-dev libidn2-dev"
PACKAGE_PACKAGES="scdoc dpkg-dev file"
RUN_PACKAGES="redis-server"
TEST_PACKAGES="libcmocka-dev python3 zstd gzip procps logrotate systemd zsh"
# What the long tests want besides; Exim's libraries, since Exim itself is only unpacked (fetch_exim).
FULL_PACKAGES="clang clang-format clang-tidy iproute2 libidn12 libgnutls-dane0 libdb5.3 libnsl2 libpcre2-8-0"

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_missing PACKAGE... says what it installs; says nothing when all is there.
install_missing() {
    missing=
    for package in "$@"; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "missing packages; as root: apt-get install$missing" >&2
        return 69
    fi
    echo "== installing$missing"
    apt_log=$(mktemp)
    # RUNLEVEL=1: a root without systemd is not to start the redis-server service that comes with the
    # package.  bounceline starts a private one of its own and does not use that service.
    if DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 sh -c '
            apt-get -qq update && apt-get -qq -y --no-install-recommends install "$@"' sh $missing \
            >"$apt_log" 2>&1 </dev/null; then
        rm -f "$apt_log"
    else
        tail -n 25 "$apt_log" >&2
        echo "apt-get failed; its whole output is in $apt_log" >&2
        return 69
    fi
}

# What ninja says, as one line that is written over on a terminal, else every tenth of the way.  Anything
# else (warnings, errors) passes through.  Its own exit code says whether the build ended well.
show_progress() {
    failed=0 tenth=0
    while IFS= read -r row; do
        case $row in
        \[[0-9]*/[0-9]*\]*)
            step=${row#\[}
            total=${step#*/}
            step=${step%%/*} total=${total%%\]*}
            if [ -t 1 ]; then
                printf '\r   %d of %d steps ' "$step" "$total"
            elif [ $((10 * step / total)) -gt $tenth ]; then
                tenth=$((10 * step / total))
                echo "   $step of $total steps"
            fi ;;
        "ninja: no work to do.") ;;
        FAILED* | "ninja: build stopped"* | "ninja: error"*)
            failed=1
            echo "$row" ;;
        *) echo "$row" ;;
        esac
    done
    [ ! -t 1 ] || printf '\r%40s\r' ''
    return $failed
}

# A machine has one mail server: Postfix is installed only where there is none, and left unconfigured.
install_postfix() {
    if is_installed exim4-base; then
        echo "Exim is installed here, so Postfix is not: its test will be skipped"
    else
        install_missing postfix
    fi
}

# fetch_exim FOLDER: Debian's Exim, unpacked there; nothing of the system changes.
fetch_exim() {
    [ ! -x "$1/usr/sbin/exim4" ] || return 0
    echo "== unpacking Exim into $1"
    mkdir -p "$1"
    (cd "$1" && apt-get -qq download exim4-daemon-light && dpkg -x exim4-daemon-light_*.deb . &&
        chmod 755 usr/sbin/exim4) >/dev/null 2>&1 ||
        echo "cannot fetch Exim: its test will be skipped"
}
