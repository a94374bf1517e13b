#!/bin/sh
# Builds with sanitizers and runs the tests.
#
#   sh deploy/test.sh           the quick ones; what every change must pass
#   sh deploy/test.sh --full    then the long ones, and the threaded ones under ThreadSanitizer
#
# Installs what is missing (deploy/packages.sh), asks nothing, changes nothing outside build/.
set -eu
cd "$(dirname "$0")/.."
. deploy/packages.sh

full=false
case "$#,${1:-}" in
0,) ;;
1,--full) full=true ;;
*) echo "usage: sh deploy/test.sh [--full]" >&2; exit 64 ;;
esac

# build PRESET: quiet when all goes well, the whole output when not.
build() {
    echo "== building ($1)"
    mkdir -p build
    if ! { cmake --preset "$1" && cmake --build --preset "$1"; } >"build/$1.log" 2>&1; then
        cat "build/$1.log"
        exit 1
    fi
}

begin=$(date +%s)
install_missing $BUILD_PACKAGES $RUN_PACKAGES $TEST_PACKAGES
! $full || install_missing $PACKAGE_PACKAGES debootstrap
build dev
if ! $full; then
    exec ctest --preset dev -L quick -j "$(nproc)"
fi

install_missing $FULL_PACKAGES
install_postfix
fetch_exim build/exim

failed=0
ctest --preset dev -L quick -j "$(nproc)" || failed=1
ctest --preset dev -L full -j "$(nproc)" || failed=1
build tsan
ctest --preset tsan || failed=1
echo "full tests: $(($(date +%s) - begin)) s"
exit $failed
