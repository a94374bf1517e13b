#!/bin/sh
# Speed of `run --once` into a Redis, whether its counters are exact, and Redis's share of the CPU.
# Builds the bench preset first.  Options: sh bench/run_rate.sh --help
set -eu
here=$(dirname "$0")
sh "$here/build.sh"
exec python3 "$here/measure.py" run "$@"
