#!/bin/sh
# ctest: label=full timeout=3600
# crash.sh for longer: several hundred kills, other seeds, one partition and many.
set -eu
command -v redis-server >/dev/null || { echo "skipped: no redis-server"; exit 77; }
for partitions in 1 3 16; do
    python3 "$(dirname "$0")/crash.py" "$1/bounceline" --kills 120 --seed $((100 + partitions)) --partitions $partitions
done
