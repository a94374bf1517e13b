# ctest: label=quick timeout=180
# The same log through `scan` and through `run --once` and Redis: the same counters, rates and number of
# suppressed addresses; what Redis holds adds up.
set -u
export TZ=UTC LC_ALL=C
BL=${BL_PROGRAM:-$1/bounceline}
BUILD=${BL_BUILD:-$1}
for tool in redis-server python3 "$BUILD/bench/corpus"; do
    command -v "$tool" >/dev/null || { echo "needs $tool"; exit 77; }
done
DIR=$(mktemp -d) || exit 1
trap 'rm -rf "$DIR"' EXIT
cd "$DIR" || exit 1
unset BOUNCELINE_REDIS BOUNCELINE_NODE
export BOUNCELINE_STATE="$DIR/state"
bad=0

"$BUILD/bench/corpus" mixed --lines 20000 --seed 5 --end now >mail.log || exit 1
when=$(tail -1 mail.log | cut -c1-15)
{ # what is counted for being cut
    echo "$when mx1 postfix/smtpd[1]: NOQUEUE: reject: CONNECT from h[192.0.2.9]: 554 5.7.1 no; proto=SMTP"
    echo "$when mx1 last message repeated 10007 times"
    printf '%s mx1 kernel: %070000d\n' "$when" 0
    # what stands behind the hole that a crash left
    for n in 1 5000 100000; do
        head -c $n /dev/zero
        echo "$when mx1 postfix/smtp[1]: 4B$n: to=<hole@hole.example>, relay=mx[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (ok)"
    done
    # and what waits for a line that does not come: Exim cuts through before it logs the arrival
    for i in 1 2 3; do echo "$when mx1 exim[7]: 1xUzl$i-0000Ab-0d >> cut@d.example R=dns T=smtp H=mx [192.0.2.1] C=\"250 ok\""; done
} >>mail.log
for time in first second; do # the second finds nothing new, nor that the log ends
    "$BL" run --once mail.log >/dev/null 2>run.err || { echo "FAILED: $time run: exit $?"; cat run.err; exit 1; }
done
"$BL" scan --json mail.log >scan.json || exit 1
"$BL" stats --json >stats.json || { echo "FAILED: stats: exit $?"; exit 1; }
"$BL" verify || { echo "FAILED: verify: exit $?"; bad=1; }
python3 - <<'PY' || bad=1
import json
scan, stats = json.load(open("scan.json")), json.load(open("stats.json"))
assert scan["outcomes"]["bounced"] > 0 and scan["domains"]["d.example"] == {"delivered": 3} and scan["domains"]["hole.example"] == {"delivered": 3} and len(scan["instances"]) == 2 and (scan["repeats_cut"], scan["long_lines"]) == (7, 1) and sum(scan["faults"].values()) > 0 and scan["suppressed"] > 0
# What happened before a retry is in no bucket, and the hours of stats are those of the last day.
for field in sorted(set(scan) - {"from", "to", "hours", "deferred_then"}):
    assert scan[field] == stats[field], (field, scan[field], stats[field])
PY
[ "$("$BL" suppress list | wc -l)" = "$(python3 -c 'import json; print(json.load(open("stats.json"))["suppressed"])')" ] ||
    { echo "FAILED: list is not as long as stats says"; bad=1; }
"$BL" suppress list | head -20 | cut -d' ' -f1 | "$BL" suppress check - >/dev/null ||
    { echo "FAILED: what list shows, check does not know"; bad=1; }

# --- a daemon that is stopped between such a line and its arrival; then the log goes on, or ends
cut="exim[7]: 1xUzl7-0000Ab-0d"
for goes_on in yes no; do
    export BOUNCELINE_STATE="$DIR/stopped-$goes_on"
    printf '%s\n' "$when mx1 $cut >> cut@d.example R=dns T=smtp H=mx [192.0.2.1] C=\"250 ok\"" >cut.log
    "$BL" run cut.log 2>/dev/null &
    daemon=$!
    for _ in $(seq 300); do # until the line is committed, which nothing else shows
        [ "$("$BL" stats --json 2>/dev/null | python3 -c 'import json, sys; print(json.load(sys.stdin)["lines"])' 2>/dev/null)" = 1 ] && break
        sleep 0.1
    done
    kill -TERM $daemon
    wait $daemon || { echo "FAILED: the daemon's exit: $?"; bad=1; }
    [ $goes_on = no ] || echo "$when mx1 $cut <= s@sender.example H=h [192.0.2.9] P=esmtp S=9" >>cut.log
    "$BL" run --once cut.log >/dev/null 2>&1 || { echo "FAILED: run behind the daemon: exit $?"; bad=1; }
    "$BL" scan --json cut.log >scan.json
    "$BL" stats --json >stats.json
    python3 - $goes_on <<'PY' || { echo "FAILED: behind a daemon that was stopped"; bad=1; }
import json, sys
scan, stats = json.load(open("scan.json")), json.load(open("stats.json"))
want = {"sender.example" if sys.argv[1] == "yes" else "~unknown": {"delivered": 1}}
assert scan["senders"] == want and stats["senders"] == want, (scan["senders"], stats["senders"])
PY
done
exit $bad
