#!/bin/sh
# ctest: label=quick timeout=300
# `run --once`, killed at random until it ends, leaves what one run leaves.  The second call is the negative control.
set -eu
command -v redis-server >/dev/null || { echo "skipped: no redis-server"; exit 77; }
DIR=$(mktemp -d)
. "$(dirname "$0")/../support/own_redis.sh"
trap 'stop_redis; rm -rf "$DIR"' EXIT
start_redis
crash="python3 $(dirname "$0")/crash_once.py $1 $DIR/redis.sock"
$crash --seed 1
$crash --seed 2 --forget
