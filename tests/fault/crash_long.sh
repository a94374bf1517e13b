#!/bin/sh
# ctest: label=full timeout=3600
# crash.sh for longer: several hundred kills, other seeds, one partition and many, rotation in a hurry, lives long
# enough for snapshots of the join, a storm of rotations that leaves some 400 files, logs that come and go, and a Redis
# that comes back empty.
set -eu
command -v redis-server >/dev/null || { echo "skipped: no redis-server"; exit 77; }
crash() { python3 "$(dirname "$0")/crash.py" "$program" --keep "$@"; }
program=$1/bounceline
crash --kills 120 --seed 101 --partitions 1
crash --kills 120 --seed 102 --partitions 16
crash --kills 40 --seed 103 --partitions 3 --file-seconds 0.6
crash --kills 30 --seed 104 --life 1 9
crash --kills 80 --seed 404 --partitions 16 --file-seconds 0.25
crash --kills 60 --seed 106 --hosts 8 --file-seconds 1 --life 0.3 6
crash --kills 40 --seed 105 --file-seconds 1 --life 0.5 4 --flushes
