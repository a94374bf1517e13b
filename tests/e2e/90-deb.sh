# ctest: label=full timeout=1200
# The Debian package installs into a bare Debian 12 and what it brings runs there, next to nothing else: classify, a
# scan, the daemon with its private Redis as the user of the package, removal.  Needs root and debootstrap, with the mirror this
# machine uses; or a bare root that is there already, in BL_BARE_ROOT (it is copied, not changed).
set -u
SOURCE=${BL_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
. "$SOURCE/tests/support/bare_root.sh"
need_package_tools chroot
DIR=$(mktemp -d) || exit 1
root="$DIR/root"
trap 'umount "$root/proc" 2>/dev/null; rm -rf "$DIR"' EXIT
bad=0
fail() { echo "FAILED: $*"; bad=1; }
make_root "${BL_BARE_ROOT:-}"
install_package || fail "install"

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
