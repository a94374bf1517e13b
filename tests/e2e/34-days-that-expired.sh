# ctest: label=quick timeout=120
# Days that are gone are no fault: `verify` still finds that all adds up, and does not when a day is missing that should be
# there (the control).  Days go here by a shorter retention; by their age they go through the same lines of commit.lua.
set -u
export TZ=UTC LC_ALL=C
BL=${BL_PROGRAM:-$1/bounceline}
for tool in redis-server redis-cli; do
    command -v $tool >/dev/null || { echo "needs $tool"; exit 77; }
done
. "$(dirname "$0")/../support/own_redis.sh"
DIR=$(mktemp -d) || exit 1
cd "$DIR" || exit 1
unset BOUNCELINE_STATE BOUNCELINE_NODE BOUNCELINE_REDIS BOUNCELINE_CONFIG
trap 'stop_redis; rm -rf "$DIR"' EXIT
start_redis
bad=0
fail() { echo "FAILED: $*"; bad=1; }
ago() { date -u -d "$1 days ago" +%Y-%m-%dT05:03:37+00:00; }
log() { for day; do echo "$(ago "$day") mx postfix/smtp[1]: A$day: to=<a$day@b.example>, relay=none, delay=1, delays=0/0/0/0, dsn=5.1.1, status=bounced (no)"; done >>mail.log; }
# run DAYS: with so many days kept
run() {
    printf 'node: mx\nstate: %s/s\nredis: {url: "unix:%s/redis.sock"}\nsources: [%s/mail.log]\nretention: {days: %s, hours: 2d, minutes: 2h}\n' \
        "$DIR" "$DIR" "$DIR" "$1" >c.yaml
    "$BL" run --once -q -c c.yaml >out || fail "run: exit $?"
}
index() { redis-cli -s redis.sock zrange 'bl:{n:mx}:days' 0 -1 | wc -l; }
today=$(($(date +%s) / 86400))

log 30 29 28 20 3 1
run 400d
"$BL" verify -c c.yaml >out || fail "at first: $(cat out)"
[ "$(index)" = 6 ] || fail "six days: $(index)"

log 0
run 7d
"$BL" verify -c c.yaml >out || fail "with fewer days kept: $(cat out)"
[ "$(index)" = 4 ] || fail "three days and a mark of those before: $(index)"
[ "$(redis-cli -s redis.sock --scan --pattern 'bl:{n:mx}:d:*' | wc -l)" = 3 ] || fail "what is not kept is still there"
"$BL" stats -c c.yaml --json | grep -q '"bounced":7' || fail "the totals stay"

log 0 25
run 400d
"$BL" verify -c c.yaml >out || fail "with more days kept again: $(cat out)"

redis-cli -s redis.sock flushall >/dev/null
rm -rf s
run 400d
redis-cli -s redis.sock hincrby "bl:{n:mx}:d:$((today - 1))" 'all|*|bounced' -1 >/dev/null
"$BL" verify -c c.yaml >out && fail "a count that is missing"
exit $bad
