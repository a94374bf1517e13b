# ctest: label=full timeout=900
# A million suppressed addresses in the private Redis: list and history page through them in bounded memory.
set -u
export TZ=UTC LC_ALL=C
BL=${BL_PROGRAM:-$1/bounceline}
COUNT=${BL_ADDRESSES:-1000000}
for tool in redis-server python3; do
    command -v "$tool" >/dev/null || { echo "needs $tool"; exit 77; }
done
DIR=$(mktemp -d) || exit 1
trap 'rm -rf "$DIR"' EXIT
cd "$DIR" || exit 1
unset BOUNCELINE_REDIS BOUNCELINE_NODE
export BOUNCELINE_STATE="$DIR/state"
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:quarantine_size_mb=1" # what is freed shall count as freed
bad=0
fail() { echo "FAILED: $*"; bad=1; }

python3 - "$COUNT" >mail.log <<'PY'
import sys, time
t = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 600))
for i in range(int(sys.argv[1])):
    print(f"{t} mx1 postfix/smtp[1]: {i + 0x1000000:X}: to=<u{i}@d{i % 1000}.example>, relay=mx.example[192.0.2.1]:25, delay=1, "
          "delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))")
PY
"$BL" run --once mail.log >/dev/null 2>err || { echo "FAILED: run: exit $?"; cat err; exit 1; }

# Runs a command; prints its lines and the kibibytes it took at most (a sanitizer multiplies them).  Only its
# own: what getrusage says of children has the redis-server in it.
cat >peak.py <<'PY'
import subprocess, sys, threading, time
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
peak = 0
def watch():
    global peak
    while child.poll() is None:
        try:
            with open(f"/proc/{child.pid}/status") as f:
                peak = max([peak] + [int(l.split()[1]) for l in f if l.startswith("VmHWM")])
        except OSError:
            pass
        time.sleep(0.01)
watcher = threading.Thread(target=watch)
watcher.start()
n = sum(1 for _ in child.stdout)
watcher.join()
assert child.returncode == 0, child.returncode
print(n, peak)
PY
"$BL" suppress check u0@d0.example >/dev/null || fail "the first is not suppressed"
set -- $(python3 peak.py "$BL" suppress check u0@d0.example) # what any command takes
few=$2
for what in "list --json:$COUNT" "list:$COUNT" "list --domain d7.example:$((COUNT / 1000))" "list --category mailbox-full:0"; do
    set -- "${what##*:}" $(python3 peak.py "$BL" suppress ${what%:*})
    echo "suppress ${what%:*}: $2 lines, at most $3 KiB; one address: $few KiB"
    [ "$1" = "$2" ] || fail "${what%:*}: $2 lines of $1"
    [ "$3" -lt $((few + 8192)) ] || fail "${what%:*} takes $3 KiB, a single check $few"
done
set -- $(python3 peak.py "$BL" suppress history --json)
echo "suppress history: $1 lines, at most $2 KiB"
[ "$1" -ge $((COUNT < 100000 ? COUNT : 100000)) ] && [ "$1" -le 101000 ] || fail "history: $1 lines"
[ "$2" -lt $((few + 12288)) ] || fail "history takes $2 KiB"
exit $bad
