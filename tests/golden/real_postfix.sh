#!/bin/sh
# ctest: label=quick timeout=120
# Every recipient of the runs of real Postfixes, in every rendering, against what is known to have become of it.
set -eu
program=$1/bounceline
data=${BL_SHARED:-}/data/logs/real

if [ ! -r "$data/real-postfix-3.7.11.expected.jsonl" ]; then
    echo "skipped: no real-postfix-3.7.11 logs under '$data' (BL_SHARED)"
    exit 77
fi
exec python3 "$(dirname "$0")/real_postfix.py" "$program" "$data"
