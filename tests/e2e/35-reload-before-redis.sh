# ctest: label=quick timeout=60
# SIGHUP while the private Redis is being started does not end the daemon; later it reloads.  Negative control: without
# ignoring it until then, the first one ends it.
set -u
BL=${BL_PROGRAM:-$1/bounceline}
REDIS=$(command -v redis-server) || { echo "needs redis-server"; exit 77; }
DIR=$(mktemp -d) || exit 1
cd "$DIR" || exit 1
PID=
# A daemon that a signal ended leaves the server that it was starting.
trap '[ -z "$PID" ] || kill "$PID" 2>/dev/null; wait; [ ! -e starting ] || sleep 1.5
      [ ! -S s/redis.sock ] || redis-cli -s s/redis.sock shutdown nosave >/dev/null 2>&1; cd /; rm -rf "$DIR"' EXIT
unset BOUNCELINE_STATE BOUNCELINE_REDIS BOUNCELINE_CONFIG
mkdir slow
printf '#!/bin/sh\ntouch "%s/starting"\nsleep 1\nexec "%s" "$@"\n' "$DIR" "$REDIS" >slow/redis-server
chmod +x slow/redis-server
echo 'Nov 22 05:03:37 mx postfix/qmgr[1]: 4A1: removed' >mail.log
# await FILE WORDS
await() {
    for _ in $(seq 1 200); do
        grep -q "$2" "$1" 2>/dev/null && return 0
        sleep 0.1
    done
    return 1
}
fail() { echo "FAILED: $*"; cat err; exit 1; }

PATH="$DIR/slow:$PATH" "$BL" run --state "$DIR/s" mail.log 2>err &
PID=$!
for _ in $(seq 1 100); do
    [ -e starting ] && break
    sleep 0.05
done
kill -HUP $PID
await err "Redis is there" || fail "the first SIGHUP ended it"
kill -HUP $PID
await err "the configuration was taken over" || fail "the second SIGHUP is not heard"
kill -TERM $PID
wait $PID || fail "exit $?"
PID=
rm starting
exit 0
