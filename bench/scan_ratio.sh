#!/bin/sh
# Speed of `scan` against `wc -l` over one corpus, -j2 against -j1, peak memory, instructions.
# Builds the bench preset first.  Options: sh bench/scan_ratio.sh --help
set -eu
here=$(dirname "$0")
sh "$here/build.sh"
exec python3 "$here/measure.py" scan "$@"
