#!/bin/sh
# ctest: label=quick timeout=120
# Every recipient of runs of real Exims, against what is known to have become of it.
set -eu
program=$1/bounceline
data=${BL_SHARED:-}/data/logs/real

ls "$data"/real-exim-*.expected.jsonl >/dev/null 2>&1 || {
    echo "skipped: no real-exim logs under '$data' (BL_SHARED)"
    exit 77
}
exec python3 "$(dirname "$0")/real_exim.py" "$program" "$data"
