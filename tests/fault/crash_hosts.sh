#!/bin/sh
# ctest: label=quick timeout=300
# The same while logs come that a pattern brings, and leave the configuration and are back: kills before, while and after
# the daemon takes them up.
set -eu
command -v redis-server >/dev/null || { echo "skipped: no redis-server"; exit 77; }
exec python3 "$(dirname "$0")/crash.py" "$1/bounceline" --kills 10 --seed 1 --hosts 5 --life 0.5 4
