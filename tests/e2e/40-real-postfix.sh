# ctest: label=full timeout=400
# A real Postfix sends to a server that takes, defers, bounces, greylists and blocks by recipient, partly
# through a content filter, while logrotate rotates its log; the daemon must have counted for each recipient
# exactly what it was answered, and have suppressed those whose mailbox is at fault, nobody else.
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
BL=${BL_PROGRAM:-$1/bounceline}
. "$HERE/../support/real_mta.sh"
for tool in postfix redis-server logrotate python3 unshare ip; do
    command -v $tool >/dev/null || { echo "needs $tool"; exit 77; }
done
own_network -n "$@"
stop_server() { postfix -c "$DIR/etc" status >/dev/null 2>&1 && postfix -c "$DIR/etc" abort >/dev/null 2>&1; }
queued() { postqueue -c "$DIR/etc" -j | wc -l; }
enter_folder

mkdir etc queue data log
chown postfix data
cat >etc/main.cf <<CONF
compatibility_level = 3.6
queue_directory = $DIR/queue
data_directory = $DIR/data
command_directory = /usr/sbin
daemon_directory = $(postconf -dh daemon_directory)
maillog_file = $DIR/log/mail.log
maillog_file_prefixes = $DIR
myhostname = mta.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
disable_dns_lookups = yes
smtp_host_lookup = native
default_transport = smtp:[192.0.2.10]:2525
alias_maps =
alias_database =
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{refused.example = 550 5.1.1 nobody of that name here}}
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
maximal_queue_lifetime = 6s
bounce_queue_lifetime = 6s
smtpd_client_connection_count_limit = 0
CONF
cat >etc/master.cf <<'CONF'
127.0.0.1:2526 inet n - n - - smtpd
127.0.0.1:2527 inet n - n - - smtpd
  -o content_filter=filter:[127.0.0.1]:10025
filter    unix - - n - 10 smtp
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 1 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
showq     unix n - n - - showq
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
CONF
printf '"%s/log/mail.log" {\n su root root\n rotate 9\n size 1\n compress\n delaycompress\n nocreate\n postrotate\n  postfix -c %s/etc reload >/dev/null 2>&1\n endscript\n}\n' \
    "$DIR" "$DIR" >rotate.conf

start_sink
postfix -c "$DIR/etc" start >start 2>&1 || { cat start log/mail.log; fail "Postfix does not start"; }
for _ in $(seq 50); do [ -s log/mail.log ] && break; sleep 0.1; done
start_daemon log/mail.log
send_waves
postfix -c "$DIR/etc" stop >/dev/null 2>&1
finish_daemon
compare

# The comparison sees one answer that was another, and one verdict too many.
sed '0,/"class": 5/s//"class": 2/' answers >other
! python3 "$SUPPORT/mail_truth.py" compare other refused stats.json list.json >/dev/null || fail "a wrong answer is not seen"
"$BL" suppress add blocked-100@blocked100.example >/dev/null && "$BL" suppress list --json >more.json
! python3 "$SUPPORT/mail_truth.py" compare answers refused stats.json more.json >/dev/null || fail "a wrong verdict is not seen"
