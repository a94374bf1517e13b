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
DIR=$(mktemp -d) || exit 1
daemon=
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

write_lines() {
    python3 - "$written" "$1" >>mail.log <<'PY'
import sys, time
first, n = int(sys.argv[1]), int(sys.argv[2])
stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 60))
for i in range(first, first + n):
    print(f"{stamp} mx postfix/smtp[7]: {i + 0x100000:X}: to=<u{i}@d{i % 9}.example>, relay=mx.example[192.0.2.1]:25, "
          "delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)")
PY
    written=$((written + $1))
}

start() {
    "$BL" run mail.log 2>>run.err &
    daemon=$!
}

stop() {
    kill "$daemon"
    wait "$daemon" || { echo "FAILED: run ended with $?"; cat run.err; exit 1; }
    daemon=
}

counted() {
    "$BL" stats --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["lines"])'
}

# Waits until Redis has all that was written.
catch_up() {
    for _ in $(seq 100); do
        [ "$(counted 2>/dev/null)" = "$written" ] && return
        sleep 0.2
    done
    echo "FAILED: $1: $(counted) of $written lines counted"
    cat run.err
    ls -l
    exit 1
}

: >mail.log
start
write_lines 700
catch_up "before any rotation"
rotate "create
 compress
 delaycompress"
write_lines 300
rotate "create
 compress
 delaycompress"
write_lines 500
catch_up "renamed and compressed while running"
stop
write_lines 400
rotate "create
 compress"
write_lines 100
rotate "create
 compress"
write_lines 250
start
catch_up "renamed and compressed while stopped"
write_lines 350
catch_up "before copytruncate"
rotate copytruncate
write_lines 150
catch_up "copytruncate while running"
stop
rotate copytruncate
write_lines 225
start
catch_up "copytruncate while stopped"
stop
"$BL" verify || exit 1
echo "$written lines over $(ls mail.log* | wc -l) files, each counted once"
