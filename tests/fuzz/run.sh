#!/bin/sh
# Fuzzes every entry for SECONDS each (default 600), JOBS at a time (default 2): sh tests/fuzz/run.sh [SECONDS] [ENTRY...]
# New inputs go to build/fuzz/corpus/ENTRY; what is worth keeping is copied to tests/fuzz/corpus/ENTRY by hand.
# The last line says how many entries ran clean.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-600}
[ $# -gt 0 ] && shift
jobs=${JOBS:-2}
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j2 >/dev/null

entries=$*
[ -n "$entries" ] || entries=$(for f in tests/fuzz/fuzz_*.c; do basename "$f" .c | sed 's/^fuzz_//'; done)
out=build/fuzz/corpus
one() {
    mkdir -p "$out/$1"
    if "build/fuzz/tests/fuzz_$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$out/$1-" "$out/$1" "tests/fuzz/corpus/$1" >"$out/$1.log" 2>&1; then
        echo "$1: clean after $(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$1.log") inputs"
    else
        echo "$1: FAILED, see $out/$1.log"
    fi
}
running=0
: >"$out.result" 2>/dev/null || { mkdir -p "$out"; : >"$out.result"; }
for entry in $entries; do
    one "$entry" >>"$out.result" &
    running=$((running + 1))
    if [ "$running" -ge "$jobs" ]; then
        wait
        running=0
    fi
done
wait
cat "$out.result"
failed=$(grep -c FAILED "$out.result" || true)
echo "$(grep -c clean "$out.result" || true) entries clean, $failed failed, $seconds s each"
[ "$failed" -eq 0 ]
