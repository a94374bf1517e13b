#!/bin/sh
# Instructions that `scan` spends on each kind of line, by callgrind.
# Builds the bench preset first.  Options: sh bench/profile.sh --help
set -eu
here=$(dirname "$0")
sh "$here/build.sh"
exec python3 "$here/measure.py" profile "$@"
