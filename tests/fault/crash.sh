#!/bin/sh
# ctest: label=quick timeout=300
# kill -9 at random: totals and address states must be what was written.
set -eu
command -v redis-server >/dev/null || { echo "skipped: no redis-server"; exit 77; }
exec python3 "$(dirname "$0")/crash.py" "$1/bounceline" --kills 25 --seed 1
