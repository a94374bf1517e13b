# Sourced by tests that install the Debian package into a bare Debian 12, with $SOURCE, $DIR and $root set.  Where
# something is missing they are skipped.

need_package_tools() {
    [ "$(id -u)" = 0 ] || { echo "needs root, for $1"; exit 77; }
    . "$SOURCE/deploy/packages.sh"
    for package in $PACKAGE_PACKAGES; do
        is_installed "$package" || { echo "needs $package"; exit 77; }
    done
}

# make_root READY [OPTION...]: a copy of the root READY, or one by debootstrap with these options.
make_root() {
    ready=$1
    shift
    if [ -n "$ready" ]; then
        cp -a "$ready" "$root"
    else
        command -v debootstrap >/dev/null || { echo "needs debootstrap"; exit 77; }
        mirror=$(apt-cache policy | sed -n 's/^ *[0-9]* \(https*:[^ ]*\) bookworm\/main .*/\1/p' | head -n 1)
        [ -n "$mirror" ] || { echo "needs a mirror of Debian 12 in apt's sources"; exit 77; }
        debootstrap --variant=minbase "$@" bookworm "$root" "$mirror" >"$DIR/log" 2>&1 ||
            { tail "$DIR/log"; echo "no debootstrap here"; exit 77; }
    fi
    cp /etc/resolv.conf "$root/etc/resolv.conf"
}

in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 "$@"; }

# Builds the package and installs it; the root's /proc is mounted, and stays so.
install_package() {
    sh "$SOURCE/deploy/package.sh" >"$DIR/log" 2>&1 || { cat "$DIR/log"; exit 1; }
    cp "$SOURCE"/build/deb/bounceline_*.deb "$root/root/bounceline.deb"
    mkdir -p "$root/proc"
    mount -t proc proc "$root/proc" || { echo "cannot mount"; exit 77; }
    in_root apt-get -qq update >"$DIR/log" 2>&1 || { tail "$DIR/log"; echo "no mirror here"; exit 77; }
    in_root apt-get -qq -y install /root/bounceline.deb >"$DIR/log" 2>&1 || { tail -n 30 "$DIR/log"; return 1; }
}
