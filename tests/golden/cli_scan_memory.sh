# ctest: label=full timeout=900
# `scan` stays under 64 MiB: on a long ordinary log (what is measured does not grow with the file), and on
# a log made to fill every table at once: queue ids that never end, each with a long sender, deferred
# recipients with long replies, ever new domains and suppressed addresses.
# The bound is shown to bite: with a limit of 24 MiB the same check fails.
set -u
export TZ=UTC LC_ALL=C
BL=${BL_PROGRAM:-$1/bounceline}
command -v python3 >/dev/null || { echo "needs python3"; exit 77; }
if grep -aq __asan_init "$BL" || grep -aq __tsan_init "$BL"; then
    echo "a sanitizer's memory is not the program's: build without one (cmake --preset release)"
    exit 77
fi
DIR=$(mktemp -d) || exit 1
trap 'rm -rf "$DIR"' EXIT
cd "$DIR" || exit 1

cat >make.py <<'PY'
import sys
kind, size = sys.argv[1], int(sys.argv[2])
out, n, i = sys.stdout, 0, 0
head = "2026-11-22T05:00:00.000000+00:00 mx1 postfix/"
while n < size:
    i += 1
    q = "%012X" % i
    d = "d%d.example" % (i % 300000 if kind == "full" else i % 2000)
    pad = "p" * (150 if kind == "full" else 1)
    s = head + "smtpd[1]: %s: client=h[192.0.2.1]\n" % q
    s += head + "cleanup[1]: %s: message-id=<%s%d@example.net>\n" % (q, pad, i)
    s += head + "qmgr[1]: %s: from=<n%s%d@s%d.example>, size=1, nrcpt=3 (queue active)\n" % (q, pad[:60], i, i % 70000)
    how = "relay=mx.%s[192.0.2.2]:25, delay=1, delays=0/0/0/1, " % d
    if kind == "full" or i % 50 == 0:
        s += head + "smtp[1]: %s: to=<b%d@%s>, %sdsn=5.1.1, status=bounced (host mx.%s[192.0.2.2] said: 550 5.1.1 User unknown (in reply to RCPT TO command))\n" % (q, i, d, how, d)
        s += head + "smtp[1]: %s: to=<d%d@%s>, %sdsn=4.2.2, status=deferred (host mx.%s[192.0.2.2] said: 452 4.2.2 Mailbox full %s (in reply to RCPT TO command))\n" % (q, i, d, how, d, pad * 2)
    s += head + "smtp[1]: %s: to=<a%d@%s>, %sdsn=2.0.0, status=sent (250 ok)\n" % (q, i, d, how)
    if kind != "full":
        s += head + "qmgr[1]: %s: removed\n" % q
    n += len(s)
    out.write(s)
PY
cat >peak.py <<'PY'
import resource, subprocess, sys
rc = subprocess.call(sys.argv[1:], stdout=open("out", "w"))
assert rc == 0, rc
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
PY
bad=0
check() { # NAME LIMIT ARGS...
    name=$1 limit=$2
    shift 2
    peak=$(python3 peak.py "$BL" scan "$@") || { echo "FAILED: $name"; bad=1; return; }
    echo "$name: peak $peak MiB"
    [ "$peak" -lt "$limit" ]
}
python3 make.py plain 20000000 >short.log
python3 make.py plain 200000000 >long.log
check "ordinary log, 20 MB" 64 short.log || bad=1
check "ordinary log, 200 MB" 64 long.log || bad=1
check "ordinary log, 200 MB, -j4" 64 -j4 long.log || bad=1
check "ordinary log, 200 MB, events" 64 --events long.log || bad=1
rm long.log short.log
python3 make.py full 1200000000 >full.log
check "every table full, 1.2 GB" 64 full.log || bad=1
check "every table full, -j4" 64 -j4 full.log || bad=1
head -3 out
tail -1 out
check "negative control" 24 full.log && { echo "FAILED: the bound does not bite"; bad=1; }
exit $bad
