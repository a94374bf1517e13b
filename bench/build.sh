#!/bin/sh
# The bench preset, in build/bench, quiet when it succeeds.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build
{ cmake --preset bench -DBL_TESTS=OFF && cmake --build --preset bench; } >build/bench.log 2>&1 || { cat build/bench.log >&2; exit 1; }
