#!/bin/sh
# ctest: label=quick timeout=60
# The corpus is what later tests compare with, so it is counted here by other means: what --truth says
# must be what grep finds, and the same seed must give the same bytes.
set -eu
corpus=$1/bench/corpus
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() { echo "corpus_truth: $*"; exit 1; }
is() { [ "$2" = "$3" ] || fail "$1: $2 in the log, $3 in the truth"; }
truth() { sed -n "s/.*\"outcomes\":{\([^}]*\)}.*/\1/p" "$dir/truth" | tr ',' '\n' | sed -n "s/^\"$1\"://p"; }

for stamps in rfc3164 rfc3339; do
    "$corpus" mixed --lines 200000 --seed 7 --retry-lines 500 --stamps $stamps --truth "$dir/truth" >"$dir/log"
    "$corpus" mixed --lines 200000 --seed 7 --retry-lines 500 --stamps $stamps | cmp - "$dir/log" ||
        fail "the same seed gave other bytes"
    is lines "$(wc -l <"$dir/log")" 200000
    is bytes "$(wc -c <"$dir/log" | tr -d ' ')" "$(sed 's/.*"bytes":\([0-9]*\).*/\1/' "$dir/truth")"
    is delivered "$(grep -c ' status=sent ' "$dir/log")" "$(truth delivered)"
    is deferred "$(grep -c ' status=deferred ' "$dir/log")" "$(truth deferred)"
    is bounced "$(grep -c ' status=bounced ' "$dir/log")" "$(truth bounced)"
    # Given up: every recipient whose last line under an expiring queue id was a deferral.
    is expired "$(sed -n 's/.*\]: \([0-9A-F]*\): to=<\([^>]*\)>.* status=\([a-z]*\) .*/\1 \2 \3/p
                          s/.*\]: \([0-9A-F]*\): from=.* status=expired,.*/\1 - expired/p' "$dir/log" |
        awk '$3 == "expired" { n += left[$1] }
             $3 == "deferred" && !((k = $1 " " $2) in open) { open[k]; left[$1]++ }
             $3 != "deferred" && ($1 " " $2) in open { delete open[$1 " " $2]; left[$1]-- }
             END { print n + 0 }')" "$(truth expired)"
    [ "$(truth expired)" -gt 100 ] || fail "too few expired to show anything"
done
echo "outcomes, bytes and lines agree for both kinds of stamps"
