#!/bin/sh
# A Debian package of what is checked out: build/deb/bounceline_VERSION_ARCH.deb
#
#   sh deploy/package.sh                 then: apt install ./build/deb/bounceline_*.deb
#
# Installs what building it takes (deploy/packages.sh).
set -eu
cd "$(dirname "$0")/.."
. deploy/packages.sh

[ $# = 0 ] || { echo "usage: sh deploy/package.sh" >&2; exit 64; }
install_missing $BUILD_PACKAGES $PACKAGE_PACKAGES
echo "== building a release into build/deb"
cmake --preset release -B build/deb -DBL_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr >/dev/null
cmake --build build/deb | show_progress
echo "== making the package"
(cd build/deb && rm -f ./*.deb && cpack -G DEB >cpack.log 2>&1) || { cat build/deb/cpack.log >&2; exit 1; }
ls build/deb/*.deb
