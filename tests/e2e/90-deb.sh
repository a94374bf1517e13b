# ctest: label=full timeout=1200
# The Debian package installs into a bare Debian 12 and what it brings runs there, next to nothing else: classify, a
# scan, the daemon with its private Redis as the user of the package, removal.  Needs root and debootstrap, with the mirror this
# machine uses; or a bare root that is there already, in BL_BARE_ROOT (it is copied, not changed).
set -u
SOURCE=${BL_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
[ "$(id -u)" = 0 ] || { echo "needs root, for chroot"; exit 77; }
. "$SOURCE/deploy/packages.sh"
for package in $PACKAGE_PACKAGES; do
    is_installed "$package" || { echo "needs $package"; exit 77; }
done
DIR=$(mktemp -d) || exit 1
root="$DIR/root"
trap 'umount "$root/proc" 2>/dev/null; rm -rf "$DIR"' EXIT
if [ -n "${BL_BARE_ROOT:-}" ]; then
    cp -a "$BL_BARE_ROOT" "$root"
else
    command -v debootstrap >/dev/null || { echo "needs debootstrap"; exit 77; }
    mirror=$(apt-cache policy | sed -n 's/^ *[0-9]* \(https*:[^ ]*\) bookworm\/main .*/\1/p' | head -n 1)
    [ -n "$mirror" ] || { echo "needs a mirror of Debian 12 in apt's sources"; exit 77; }
    debootstrap --variant=minbase bookworm "$root" "$mirror" >"$DIR/log" 2>&1 || { tail "$DIR/log"; echo "no debootstrap here"; exit 77; }
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
mkdir -p "$root/proc"
mount -t proc proc "$root/proc" || { echo "cannot mount"; exit 77; }
bad=0
fail() { echo "FAILED: $*"; bad=1; }
in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 "$@"; }

sh "$SOURCE/deploy/package.sh" >"$DIR/log" 2>&1 || { cat "$DIR/log"; exit 1; }
cp "$SOURCE"/build/deb/bounceline_*.deb "$root/tmp/bounceline.deb"
in_root apt-get -qq update >"$DIR/log" 2>&1 || { tail "$DIR/log"; echo "no mirror here"; exit 77; }
in_root apt-get -qq -y install /tmp/bounceline.deb >"$DIR/log" 2>&1 || { tail -n 30 "$DIR/log"; fail "install"; }

in_root bounceline --version | grep -q '^bounceline [0-9]' || fail "--version"
in_root bounceline check-config | grep -qx OK || fail "the configuration it brings"
in_root bounceline classify '550 5.1.1 User unknown' | grep -q invalid-recipient || fail "classify"
[ "$(stat -c %a "$root/var/lib/bounceline")" = 700 ] || fail "the state directory"
in_root id bounceline | grep -q '(adm)' || fail "the user: $(in_root id bounceline)"
echo 'Nov 23 05:00:00 mx postfix/smtp[9]: 4A: to=<a@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.net[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))' \
    >"$root/var/log/mail.log"
chmod 640 "$root/var/log/mail.log"
chown 0:4 "$root/var/log/mail.log" # root:adm
in_root bounceline scan /var/log/mail.log | grep -q invalid-recipient || fail "scan"
# As the unit would: the user, its groups, its directory, the configuration of /etc.
in_root setpriv --reuid bounceline --regid bounceline --init-groups env STATE_DIRECTORY=/var/lib/bounceline \
    bounceline run --once >"$DIR/out" 2>"$DIR/err" || fail "run --once: $? $(cat "$DIR/err")"
in_root setpriv --reuid bounceline --regid bounceline --init-groups env STATE_DIRECTORY=/var/lib/bounceline \
    bounceline suppress check a@example.net || fail "suppress check: $?"

echo '# mine' >>"$root/etc/bounceline/bounceline.yaml"
in_root apt-get -qq -y remove bounceline >"$DIR/log" 2>&1 || { tail "$DIR/log"; fail "remove"; }
[ ! -e "$root/usr/bin/bounceline" ] || fail "the program stays"
grep -q '^# mine' "$root/etc/bounceline/bounceline.yaml" || fail "the configuration went"
[ -e "$root/var/lib/bounceline/instance" ] || fail "the state went"
exit $bad
