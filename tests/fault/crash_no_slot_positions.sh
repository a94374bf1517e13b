#!/bin/sh
# ctest: label=quick timeout=300
# Negative control of crash.sh: with one position for all slots the same disturbances must be noticed.
set -eu
command -v redis-server >/dev/null || { echo "skipped: no redis-server"; exit 77; }
exec python3 "$(dirname "$0")/crash.py" "$1/bounceline" --kills 16 --seed 1 --expect-failure no-slot-positions
