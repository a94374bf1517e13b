# Sourced by the tests in which logs are written by the test and read by a daemon (e2e/20-logrotate.sh,
# 21-redis-came-back-empty.sh).
daemon=

# write_lines FIRST COUNT: deliveries of a minute ago, on stdout
write_lines() {
    python3 - "$1" "$2" <<'PY'
import sys, time
first, n = int(sys.argv[1]), int(sys.argv[2])
stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 60))
for i in range(first, first + n):
    print(f"{stamp} mx postfix/smtp[7]: {i + 0x100000:X}: to=<u{i}@d{i % 9}.example>, relay=mx.example[192.0.2.1]:25, "
          "delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)")
PY
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

# expect LINES WHEN: that many are counted within 20 s
expect() {
    for _ in $(seq 100); do
        [ "$(counted 2>/dev/null)" = "$1" ] && return
        sleep 0.2
    done
    echo "FAILED: $2: $(counted) lines counted, should be $1"
    cat run.err
    ls -l
    exit 1
}
