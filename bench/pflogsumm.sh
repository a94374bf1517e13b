#!/bin/sh
# Speed of `scan` against pflogsumm over one corpus; awk and grep, which only count, beside them.
# Builds the bench preset first.  Options: sh bench/pflogsumm.sh --help
set -eu
here=$(dirname "$0")
sh "$here/build.sh"
exec python3 "$here/measure.py" pflogsumm "$@"
