# ctest: label=quick timeout=120
# The real logrotate, while the daemon runs and while it does not: by rename with compression, and by
# copytruncate under a writer that holds still.  Every line is counted once.
set -u
export TZ=UTC LC_ALL=C
BL=${BL_PROGRAM:-$1/bounceline}
PATH=$PATH:/usr/sbin:/sbin
for tool in redis-server logrotate python3; do
    command -v "$tool" >/dev/null || { echo "needs $tool"; exit 77; }
done
. "$(dirname "$0")/../support/log_daemon.sh"
DIR=$(mktemp -d) || exit 1
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null; wait; rm -rf "$DIR"' EXIT
cd "$DIR" || exit 1
unset BOUNCELINE_REDIS BOUNCELINE_NODE
export BOUNCELINE_STATE="$DIR/state"
written=0

# The user that runs the test owns the log; logrotate wants to be told.
conf() {
    printf '"%s/mail.log" {\n su %s %s\n rotate 20\n size 1\n missingok\n %s\n}\n' \
        "$DIR" "$(id -un)" "$(id -gn)" "$1" >rotate.conf
    chmod 600 rotate.conf
}

rotate() {
    conf "$1"
    logrotate --force --state "$DIR/rotate.state" rotate.conf || { echo "FAILED: logrotate"; exit 1; }
}

# write COUNT
write() {
    write_lines "$written" "$1" >>mail.log
    written=$((written + $1))
}

: >mail.log
start
write 700
expect $written "before any rotation"
rotate "create
 compress
 delaycompress"
write 300
rotate "create
 compress
 delaycompress"
write 500
expect $written "renamed and compressed while running"
stop
write 400
rotate "create
 compress"
write 100
rotate "create
 compress"
write 250
start
expect $written "renamed and compressed while stopped"
write 350
expect $written "before copytruncate"
rotate copytruncate
write 150
expect $written "copytruncate while running"
stop
rotate copytruncate
write 225
start
expect $written "copytruncate while stopped"
stop
"$BL" verify || exit 1
echo "$written lines over $(ls mail.log* | wc -l) files, each counted once"
