# ctest: label=full timeout=400
# As 40-real-postfix, with a real Exim: it logs otherwise, gives up otherwise, retries otherwise; the daemon
# must have counted for each recipient exactly what it was answered.
#
# Exim's package and Postfix's exclude each other, so deploy/test.sh unpacks it into BUILD/exim.  The test brings a user
# list in which Exim's user is.
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
BUILD=${BL_BUILD:-$1}
BL=${BL_PROGRAM:-$1/bounceline}
. "$HERE/../support/real_mta.sh"
EXIM=${BL_EXIM:-$BUILD/../exim/usr/sbin/exim4}
[ -x "$EXIM" ] || EXIM=$(command -v exim4) || { echo "needs exim4: sh deploy/test.sh --full fetches it"; exit 77; }
for tool in redis-server logrotate python3 unshare ip; do
    command -v $tool >/dev/null || { echo "needs $tool"; exit 77; }
done
own_network -nm "$@"
exim=''
stop_server() { [ -z "$exim" ] || kill $exim 2>/dev/null; }
queued() { find spool/input -name '*-H' 2>/dev/null | wc -l; }
enter_folder

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

start_sink
"$EXIM" -C "$DIR/exim.conf" -bdf -q1s >exim.out 2>&1 &
exim=$!
for _ in $(seq 100); do [ -s log/mainlog ] && break; sleep 0.1; done
[ -s log/mainlog ] || { cat exim.out; fail "Exim does not start"; }
start_daemon log/mainlog
send_waves
kill $exim
wait $exim
exim=''
finish_daemon
compare
