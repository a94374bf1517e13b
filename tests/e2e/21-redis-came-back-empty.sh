# ctest: label=quick timeout=120
# FLUSHALL under a running daemon, and while it does not run: what was counted before is counted again from the
# logs that still exist, rotated and packed ones too; what was there before the first start stays out; and of a
# log that is gone the bytes are said.  (Without what the state directory remembers, only mail.log would be.)
set -u
export TZ=UTC LC_ALL=C
BL=${BL_PROGRAM:-$1/bounceline}
for tool in redis-server redis-cli gzip python3; do
    command -v "$tool" >/dev/null || { echo "needs $tool"; exit 77; }
done
DIR=$(mktemp -d) || exit 1
daemon=
redis=
trap 'for p in $daemon $redis; do kill "$p" 2>/dev/null; done; wait; rm -rf "$DIR"' EXIT
cd "$DIR" || exit 1
unset BOUNCELINE_NODE
export BOUNCELINE_STATE="$DIR/state" BOUNCELINE_REDIS="unix:$DIR/redis.sock"
redis-server --port 0 --unixsocket "$DIR/redis.sock" --save "" --appendonly no --dir "$DIR" >/dev/null &
redis=$!
for _ in $(seq 100); do
    redis-cli -s redis.sock ping >/dev/null 2>&1 && break
    sleep 0.1
done

# write_lines FIRST COUNT
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

# expect LINES WHEN
expect() {
    for _ in $(seq 100); do
        [ "$(counted 2>/dev/null)" = "$1" ] && break
        sleep 0.2
    done
    sleep 1 # and no more
    [ "$(counted)" = "$1" ] && return
    echo "FAILED: $2: $(counted) lines counted, should be $1"
    cat run.err
    ls -l
    exit 1
}

write_lines 900000 50 >mail.log.7 # from before the first start
write_lines 0 300 >mail.log
start
expect 300 "first file"
mv mail.log mail.log.1
write_lines 300 200 >mail.log
expect 500 "second file"
mv mail.log.1 mail.log.2
mv mail.log mail.log.1
write_lines 500 100 >mail.log
expect 600 "third file"
gzip mail.log.2
stop # the copy of the positions is written at the latest now
start
expect 600 "started again"
redis-cli -s redis.sock flushall >/dev/null
expect 600 "flushed while running"
stop
redis-cli -s redis.sock flushall >/dev/null
rm mail.log.1
write_lines 600 50 >>mail.log
start
expect 450 "flushed while stopped, one file gone"
grep -q 'bytes behind it are lost' run.err || { echo "FAILED: the loss was not said"; cat run.err; exit 1; }
stop
"$BL" verify || exit 1
echo "counted again from the logs that exist, and the loss was said"
