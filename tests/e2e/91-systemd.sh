# ctest: label=full timeout=1200
# A real systemd runs the unit that the Debian package brings: readiness, the sandbox in which it still reads logs and
# has its private Redis, journal and status, reload, watchdog, restart, stop.  In a bare Debian 12 and in namespaces of
# its own, as a container: processes, mounts, network, and a group of its own in cgroup v2.
# Needs root and debootstrap, with the mirror this machine uses; or a root with systemd in it that is there already, in
# BL_SYSTEMD_ROOT (it is copied, not changed).  It fails with an ExecReload= that a small system has not (it was
# /bin/kill), for one.
set -u
SOURCE=${BL_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
. "$SOURCE/tests/support/bare_root.sh"
need_package_tools namespaces
for tool in unshare nsenter pivot_root findmnt; do
    command -v $tool >/dev/null || { echo "needs $tool"; exit 77; }
done
cgroups=$(findmnt -nt cgroup2 -o TARGET | head -n 1)
[ -n "$cgroups" ] || { echo "needs cgroup v2"; exit 77; }

DIR=$(mktemp -d) || exit 1
root="$DIR/root" group="$cgroups/bounceline-test-$$" boot=
# The first process of the namespaces takes all others with it.
stop_all() {
    [ -z "$boot" ] || { kill -9 "$boot" 2>/dev/null; wait "$boot" 2>/dev/null; sleep 1; }
    umount "$root/proc" 2>/dev/null
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
    rm -rf "$DIR"
}
trap stop_all EXIT
bad=0
fail() { echo "FAILED: $*"; bad=1; }

# --- a root with systemd and the package
make_root "${BL_SYSTEMD_ROOT:-}" --include=systemd
install_package || { fail "install"; exit 1; }
umount "$root/proc"
in_root systemctl mask redis-server.service >/dev/null 2>&1 # not the one that we start

# --- systemd in it
mkdir "$group" || { echo "cannot make a group in $cgroups"; exit 77; }
cat >"$DIR/boot" <<'SH'
root=$1
set -e
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for folder in run tmp dev; do mount -t tmpfs tmpfs "$root/$folder"; done
for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    name=${device%%:*} number=${device#*:}
    mknod -m 666 "$root/dev/$name" c "${number%:*}" "${number#*:}"
done
mkdir "$root/dev/pts" "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ip link set lo up 2>/dev/null || :
cd "$root"
pivot_root . mnt
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . \
    sh -c 'umount -l /mnt; exec /lib/systemd/systemd --log-target=journal --show-status=0'
SH
mkdir -p "$root/mnt"
sh -c 'echo $$ >"$1/cgroup.procs"; exec unshare --mount --uts --ipc --net --cgroup --pid --fork --kill-child sh "$2" "$3"' \
    sh "$group" "$DIR/boot" "$root" >"$DIR/boot.log" 2>&1 &
boot=$!
init=
for _ in $(seq 100); do
    init=$(cat "/proc/$boot/task/$boot/children" 2>/dev/null)
    init=${init%% *}
    [ -n "$init" ] && grep -q '^systemd$' "/proc/$init/comm" 2>/dev/null && break
    sleep 0.2
done
inside() {
    nsenter -t "$init" --mount --uts --ipc --net --cgroup --pid --root --wd \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C NO_COLOR=1 "$@"
}
for _ in $(seq 100); do
    state=$(inside systemctl is-system-running 2>/dev/null)
    case $state in running|degraded) break ;; esac
    sleep 0.2
done
case $state in
running|degraded) ;;
*) cat "$DIR/boot.log"; echo "systemd does not start here: '$state'"; exit 77 ;;
esac

# --- what follows asks systemd
show() { inside systemctl show bounceline -P "$1"; }
lines() {
    inside setpriv --reuid bounceline --regid bounceline --init-groups bounceline stats --json --state /var/lib/bounceline 2>"$DIR/err" |
        sed -n 's/.*"lines":\([0-9]*\).*/\1/p'
}
journal() { inside journalctl --no-pager -o cat -b -u bounceline "$@"; }
# until SECONDS WHAT COMMAND...
until_true() {
    seconds=$1 what=$2
    shift 2
    for _ in $(seq $((seconds * 4))); do
        "$@" && return
        sleep 0.25
    done
    fail "not within $seconds s: $what"
    journal | tail -n 15
}
counted() { [ "$(lines)" = "$written" ]; }
says() { journal | grep -q "$1"; }
written=0
# put FILE
put() {
    n=0
    while [ $n -lt 50 ]; do
        echo "Nov 23 05:00:00 mx postfix/smtp[9]: 4A$n: to=<a@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)"
        n=$((n + 1))
    done >>"$root/$1"
    written=$((written + 50))
    chmod 640 "$root/$1"
    chown 0:4 "$root/$1" # root:adm, as on Debian
}

put var/log/mail.log
inside systemctl start bounceline || { fail "start"; journal; exit 1; }
[ "$(show ActiveState) $(show Type) $(show SubState)" = "active notify running" ] || fail "no READY: $(show ActiveState) $(show SubState)"
until_true 20 "the log is counted" counted
until_true 20 "a status" sh -c 'case "$1" in "following 1 log,"*) ;; *) false ;; esac' sh "$(sleep 6; show StatusText)"
[ "$(stat -c '%U %a' "$root/var/lib/bounceline" | sed 's/.* //')" = 700 ] || fail "the state directory"

# the sandbox, as the kernel has it
main=$(show MainPID)
inside cat "/proc/$main/status" >"$DIR/status"
for want in 'NoNewPrivs:	1' 'Seccomp:	2' 'CapEff:	0000000000000000' 'CapBnd:	0000000000000000'; do
    grep -qx "$want" "$DIR/status" || fail "$want is not so: $(grep "${want%%:*}" "$DIR/status")"
done
[ "$(inside stat -c %U "/proc/$main")" = bounceline ] || fail "its user"
inside nsenter -t "$main" --mount touch /etc/x 2>/dev/null && fail "it can write to /etc"
inside nsenter -t "$main" --mount touch /var/log/x 2>/dev/null && fail "it can write to /var/log"
inside pgrep -u bounceline redis-server >/dev/null 2>&1 || inside sh -c 'cat /proc/[0-9]*/comm' | grep -q redis-server || fail "no private Redis"

# reload: what is good is taken over, what is bad changes nothing; levels reach the journal
mkdir -p "$root/var/log/hosts/a"
put var/log/hosts/a/mail.log
printf 'sources: [/var/log/mail.log, "/var/log/hosts/*/mail.log"]\n' >"$root/etc/bounceline/bounceline.yaml"
inside systemctl reload bounceline || fail "reload"
until_true 20 "the second log is counted" counted
[ "$(show ActiveState)" = active ] || fail "after reload: $(show ActiveState)"
echo nonsense >"$root/etc/bounceline/bounceline.yaml"
inside systemctl reload bounceline
until_true 20 "a bad file is said" says 'the configuration stays as it was'
journal -p err | grep -q 'the configuration stays' || fail "it is no error to the journal"
journal -p err | grep -q 'taken over' && fail "the journal takes everything for an error"
printf 'sources: [/var/log/mail.log, "/var/log/hosts/*/mail.log"]\n' >"$root/etc/bounceline/bounceline.yaml"

# killed, and hung: systemd starts it again, and nothing is lost or counted twice
inside sh -c 'kill -9 "$1"' sh "$(show MainPID)"
put var/log/mail.log
until_true 30 "started again after a kill" sh -c '[ "$1" != "$2" ] && [ "$2" != 0 ]' sh "$main" "$(sleep 4; show MainPID)"
until_true 30 "counted after a kill" counted
mkdir -p "$root/run/systemd/system"
inside sh -c 'mkdir -p /run/systemd/system/bounceline.service.d
printf "[Service]\nWatchdogSec=3\n" >/run/systemd/system/bounceline.service.d/soon.conf'
inside systemctl daemon-reload && inside systemctl restart bounceline || fail "restart"
until_true 30 "counted after a restart" counted
sleep 5
[ "$(show NRestarts)" = 0 ] || fail "the watchdog is not fed: $(show NRestarts) restarts"
inside sh -c 'kill -STOP "$1"' sh "$(show MainPID)"
put var/log/hosts/a/mail.log
restarted() { [ "$(show NRestarts)" = 1 ] && [ "$(show ActiveState)" = active ]; }
until_true 60 "the watchdog ends what hangs, and it is started again" restarted
inside journalctl --no-pager -b | grep -q 'bounceline.service: Watchdog timeout' || fail "that was not the watchdog"
until_true 30 "counted after a hang" counted

# stop: orderly, and the private server goes with it
inside systemctl stop bounceline || fail "stop"
[ "$(show Result) $(show ExecMainStatus) $(show ActiveState)" = "success 0 inactive" ] ||
    fail "stop: $(show Result) $(show ExecMainStatus) $(show ActiveState)"
inside sh -c 'cat /proc/[0-9]*/comm 2>/dev/null' | grep -q redis-server && fail "the private Redis stays"
[ "$(lines)" = "$written" ] || fail "after the stop $(lines) of $written lines: $(cat "$DIR/err")"

# what does not mend itself is not started again
echo nonsense >"$root/etc/bounceline/bounceline.yaml"
inside systemctl start bounceline 2>/dev/null && fail "it starts with a bad configuration"
sleep 4
[ "$(show ExecMainStatus) $(show NRestarts) $(show ActiveState)" = "78 0 failed" ] ||
    fail "a bad configuration: $(show ExecMainStatus) $(show NRestarts) $(show ActiveState)"
[ $bad = 0 ] && echo "$written lines counted once through start, reload, kill, hang and stop"
exit $bad
