#!/bin/sh
# From a fresh checkout to numbers: installs what is missing, builds, reads logs, shows what is in Redis.
#
#   sh deploy/quickstart.sh                      on a sample log made here, with fresh stamps
#   sh deploy/quickstart.sh /var/log/mail.log*   on your logs
#   sh deploy/quickstart.sh --follow LOG...      and goes on tailing them
#
# Everything it writes is in build/quickstart.  Run it again at any time: what was built is kept, of your logs
# only what is new is read, the sample starts afresh.
set -eu
here=$(pwd)
cd "$(dirname "$0")/.."
root=$(pwd)
. deploy/packages.sh

follow=false
if [ "${1:-}" = --follow ]; then
    follow=true
    shift
fi
case "${1:-}" in
-*) echo "usage: sh deploy/quickstart.sh [--follow] [LOG...]" >&2; exit 64 ;;
esac

build=build/quickstart
bounceline=$build/bounceline
# Paths as they are to be typed from where the user stands.
from_here=
[ "$here" = "$root" ] || from_here=$root/

install_missing $BUILD_PACKAGES $RUN_PACKAGES

echo "== building a release into $build (about a minute)"
mkdir -p $build
if ! cmake --preset release -B $build -DBL_TESTS=OFF >$build/build.log 2>&1; then
    cat $build/build.log >&2
    exit 1
fi
cmake --build $build | show_progress

if [ $# -gt 0 ]; then
    state=$build/state
else
    # An hour of a busy afternoon that ends now.  Its addresses and hosts are invented.
    rm -rf $build/sample
    mkdir -p $build/sample
    state=$build/sample/state
    $build/bench/corpus mixed --lines 200000 --rate 56 --end now --retry-lines 4000 >$build/sample/mail.log
    set -- $build/sample/mail.log
    echo "== made a sample log: $1, $(wc -l <"$1") lines"
    set -- "$from_here$1"
fi
cd "$here" # logs are named from there
bounceline=$from_here$bounceline
state=$from_here$state

echo "== reading $*"
"$bounceline" run --once --state "$state" "$@" >/dev/null

echo
echo "== totals and rates, out of Redis: bounceline stats"
"$bounceline" stats --state "$state"

echo
echo "== some suppressed addresses, and why: bounceline suppress list, suppress show"
"$bounceline" suppress list --state "$state" >"$state/suppressed.tmp"
if [ -s "$state/suppressed.tmp" ]; then
    awk '{ print $1 }' "$state/suppressed.tmp" | grep '^[^"]*@' | head -n 3 | while read -r address; do
        echo
        "$bounceline" suppress show --state "$state" "$address"
    done
else
    echo "none: no recipient's own fault was seen in these logs"
fi
rm -f "$state/suppressed.tmp"

cat <<END

Next:
  $bounceline suppress check --state $state ADDRESS   (exit code 0: suppressed, 1: may be mailed)
  $bounceline stats --state $state --json
  $bounceline verify --state $state   (do the counters account for every byte read?)
  $bounceline classify "550 5.1.1 no such user"
  $bounceline scan /var/log/mail.log*   (a report, without Redis)
  sh ${from_here}deploy/quickstart.sh /var/log/mail.log*   (your logs, if these were not)
END
if $follow; then
    echo
    echo "== following $*; ctrl-C drains, commits and ends"
    exec "$bounceline" run --state "$state" "$@"
fi
echo "  sh ${from_here}deploy/quickstart.sh --follow LOG...   (and goes on counting)"
