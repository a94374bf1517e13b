# ctest: label=full timeout=400
# As 40-real-postfix, with a real Exim: it logs otherwise, gives up otherwise, retries otherwise; the daemon
# must have counted for each recipient exactly what it was answered.
#
# Exim's package and Postfix's exclude each other, so deploy/test.sh unpacks it into BUILD/exim.  In a network
# of its own, where 192.0.2.10 is "elsewhere", and with a user list of its own that has Exim's user.
set -u
export TZ=UTC LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
HERE=$(cd "$(dirname "$0")" && pwd)
BUILD=${BL_BUILD:-$1}
BL=${BL_PROGRAM:-$1/bounceline}
EXIM=${BL_EXIM:-$BUILD/../exim/usr/sbin/exim4}
[ -x "$EXIM" ] || EXIM=$(command -v exim4) || { echo "needs exim4: sh deploy/test.sh --full fetches it"; exit 77; }
for tool in redis-server logrotate python3 unshare ip; do
    command -v $tool >/dev/null || { echo "needs $tool"; exit 77; }
done
[ "$(id -u)" = 0 ] || { echo "needs root: Exim changes users"; exit 77; }
if [ -z "${BL_OWN_NETWORK:-}" ]; then
    unshare -nm true 2>/dev/null || { echo "needs namespaces"; exit 77; }
    BL_OWN_NETWORK=1 exec unshare -nm sh "$0" "$@"
fi
ip link set lo up && ip addr add 192.0.2.10/32 dev lo || exit 1

DIR=$(mktemp -d) || exit 1
chmod 755 "$DIR"
sink='' daemon='' exim=''
stop_all() {
    for pid in $exim $sink $daemon; do kill "$pid" 2>/dev/null; done
    wait
    rm -rf "$DIR"
}
trap stop_all EXIT
cd "$DIR" || exit 1
unset BOUNCELINE_REDIS BOUNCELINE_NODE
export BOUNCELINE_STATE="$DIR/state"
fail() { echo "FAILED: $*"; exit 1; }

if ! getent passwd Debian-exim >/dev/null; then
    { cat /etc/passwd; echo "Debian-exim:x:65000:65000::/nonexistent:/bin/false"; } >passwd
    { cat /etc/group; echo "Debian-exim:x:65000:"; } >group
    chmod 644 passwd group
    mount --bind passwd /etc/passwd && mount --bind group /etc/group || { echo "needs to mount"; exit 77; }
fi
mkdir spool log
chown Debian-exim:Debian-exim spool log
cat >exim.conf <<CONF
primary_hostname = mta.example
exim_path = $EXIM
spool_directory = $DIR/spool
log_file_path = $DIR/log/%slog
pid_file_path = $DIR/exim.pid
local_interfaces = <; 127.0.0.1.2526 ; 127.0.0.1.2527
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 100
deliver_queue_load_max = 1000
queue_only_load = 1000
deliver_drop_privilege = true
ignore_bounce_errors_after = 0s
acl_smtp_rcpt = rcpt
log_selector = +all
begin acl
rcpt:
  deny domains = refused.example
       message = 550 5.1.1 nobody of that name here
  accept hosts = 127.0.0.1
begin routers
filtered:
  driver = manualroute
  condition = \${if eq{\$received_port}{2527}}
  route_list = * 127.0.0.1
  self = send
  transport = filter
out:
  driver = manualroute
  route_list = * 192.0.2.10
  self = send
  transport = out
begin transports
filter:
  driver = smtp
  port = 10025
  allow_localhost
out:
  driver = smtp
  port = 2525
  allow_localhost
  hosts_avoid_tls = *
begin retry
* * F,6s,1s
CONF
"$EXIM" -C "$DIR/exim.conf" -bV >version 2>&1 || { cat version; echo "needs the libraries of exim4-daemon-light"; exit 77; }
printf '"%s/log/mainlog" {\n su root root\n rotate 9\n size 1\n compress\n delaycompress\n nocreate\n}\n' "$DIR" >rotate.conf

python3 "$HERE/../support/smtp_sink.py" 192.0.2.10:2525 answers 127.0.0.1:10025 127.0.0.1:2526 2>sink.err &
sink=$!
"$EXIM" -C "$DIR/exim.conf" -bdf -q1s >exim.out 2>&1 &
exim=$!
for _ in $(seq 100); do [ -s log/mainlog ] && break; sleep 0.1; done
[ -s log/mainlog ] || { cat exim.out; fail "Exim does not start"; }
"$BL" run log/mainlog 2>run.err &
daemon=$!

packed() { for f in log/*.gz; do [ -e "$f" ] && zcat "$f"; done | wc -l; }
queued() { find spool/input -name '*-H' 2>/dev/null | wc -l; }
: >refused
for wave in 1 2 3; do
    python3 "$HERE/../support/mail_truth.py" send 127.0.0.1:2526 127.0.0.1:2527 $wave >>refused || fail "sending wave $wave"
    sleep 2
    logrotate --state rotate.state rotate.conf || fail "logrotate"
done
for _ in $(seq 120); do
    [ "$(queued)" = 0 ] && break
    sleep 0.5
done
[ "$(queued)" = 0 ] || fail "the queue does not run dry: $(queued) left, $(tail -3 log/mainlog)"
kill $exim
wait $exim
exim=''
for _ in $(seq 60); do
    written=$(($(cat log/mainlog log/mainlog.[0-9] 2>/dev/null | wc -l) + $(packed)))
    counted=$("$BL" stats --json 2>/dev/null | python3 -c 'import json,sys; print(json.load(sys.stdin)["lines"])')
    [ "$written" = "$counted" ] && break
    sleep 0.5
done
[ "$written" = "$counted" ] || { cat run.err; ls -l log; fail "$counted of $written lines counted"; }
kill $daemon
wait $daemon || { cat run.err; fail "run ended with $?"; }
daemon=
[ ! -s sink.err ] || { cat sink.err; fail "the sink stumbled"; }

"$BL" stats --json >stats.json && "$BL" suppress list --json >list.json && "$BL" verify || fail "stats, list, verify"
python3 "$HERE/../support/mail_truth.py" compare answers refused stats.json list.json || fail "they differ"
echo "$written lines in $(ls log | wc -l) files"
