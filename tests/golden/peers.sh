#!/bin/sh
# ctest: label=quick timeout=120
# Public lines, and what other projects' parsers expect of them.
set -eu
program=$1/bounceline
here=$(dirname "$0")
data=${BL_SHARED:-}/data/logs/public

if [ ! -r "$data/postfix-grok-patterns.expected.jsonl" ]; then
    echo "skipped: no public logs under '$data' (BL_SHARED)"
    exit 77
fi
exec python3 "$here/peers.py" "$program" "$data" "$here/peers.reasons" --list
