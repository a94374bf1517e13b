# Sourced by the tests that have a redis-server of their own (e2e/21-redis-came-back-empty.sh,
# 30-stats-suppress-verify.sh, 34-days-that-expired.sh, fault/crash_once.sh).
redis=

# start_redis: an empty one in the folder $DIR, at the socket redis.sock there; it answers
start_redis() {
    redis-server --port 0 --unixsocket "$DIR/redis.sock" --dir "$DIR" --save '' --appendonly no >"$DIR/redis.log" 2>&1 &
    redis=$!
    for _ in $(seq 100); do
        redis-cli -s "$DIR/redis.sock" ping >/dev/null 2>&1 && return
        sleep 0.05
    done
    echo "FAILED: redis-server does not answer"
    cat "$DIR/redis.log"
    exit 1
}

# stop_redis: for the trap
stop_redis() {
    [ -z "$redis" ] || { kill "$redis"; wait "$redis"; } 2>/dev/null
}
