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
. "$(dirname "$0")/../support/log_daemon.sh"
. "$(dirname "$0")/../support/own_redis.sh"
DIR=$(mktemp -d) || exit 1
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null; stop_redis; wait; rm -rf "$DIR"' EXIT
cd "$DIR" || exit 1
unset BOUNCELINE_NODE
export BOUNCELINE_STATE="$DIR/state" BOUNCELINE_REDIS="unix:$DIR/redis.sock"
start_redis

# expect_only LINES WHEN: and no more
expect_only() {
    expect "$@"
    sleep 1
    expect "$@"
}

write_lines 900000 50 >mail.log.7 # from before the first start
write_lines 0 300 >mail.log
start
expect_only 300 "first file"
mv mail.log mail.log.1
write_lines 300 200 >mail.log
expect_only 500 "second file"
mv mail.log.1 mail.log.2
mv mail.log mail.log.1
write_lines 500 100 >mail.log
expect_only 600 "third file"
gzip mail.log.2
stop # the copy of the positions is written at the latest now
start
expect_only 600 "started again"
redis-cli -s redis.sock flushall >/dev/null
expect_only 600 "flushed while running"
stop
redis-cli -s redis.sock flushall >/dev/null
rm mail.log.1
write_lines 600 50 >>mail.log
start
expect_only 450 "flushed while stopped, one file gone"
grep -q 'bytes behind it are lost' run.err || { echo "FAILED: the loss was not said"; cat run.err; exit 1; }
stop
"$BL" verify || exit 1
echo "counted again from the logs that exist, and the loss was said"
