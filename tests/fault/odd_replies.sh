# ctest: label=quick timeout=300
# A server that answers the commands' questions with something else: `stats`, `suppress` and `verify` say so and exit
# 69.  They once looked into lists that were none, and crashed; or took such an answer for "may be mailed".
set -uf
export TZ=UTC LC_ALL=C
BL=${BL_PROGRAM:-$1/bounceline}
command -v python3 >/dev/null || { echo "needs python3"; exit 77; }
DIR=$(mktemp -d) || exit 1
cd "$DIR" || exit 1
# Answers as an almost empty Redis does, but for what `says` holds: `COMMAND ANSWER` a line, a bar for each CR LF.
cat >server.py <<'PY'
import socket, threading
SANE = {"PING": "+PONG", "MULTI": "+OK", "TYPE": "+none", "ZCOUNT": ":0", "EXISTS": ":0", "GET": "$-1", "ZSCORE": "$-1",
        "HSETNX": ":1", "HGETALL": "*0", "ZRANGE": "*0", "ZRANGEBYSCORE": "*1|$5|20000", "XRANGE": "*0",
        "SCAN": "*2|$1|0|*0", "ZSCAN": "*2|$1|0|*0",
        "HSCAN": "*2|$1|0|*0"}
def answer(words, queued):
    says = dict(line.split() for line in open("says"))
    name = words[0]
    if name in says:
        return says[name]
    if queued and name != "EXEC":
        return "+QUEUED"
    if name == "EXEC":
        return "*%d" % len(queued[1:]) + "|*0" * len(queued[1:])
    if words[:2] == ["HMGET", "bl:meta"]:
        return "*2|$1|1|$1|1"
    if name in ("HMGET", "MGET"):
        nils = len(words) - (2 if name == "HMGET" else 1)
        return "*%d" % nils + "|$-1" * nils
    if words[:2] == ["ZRANGE", "bl:nodes"]:
        return "*1|$3|mx1"
    return SANE.get(name, "-ERR what")
def serve(client):
    f, queued = client.makefile("rb"), []
    while line := f.readline():
        words = []
        for _ in range(int(line[1:])):
            n = int(f.readline()[1:])
            words.append(f.read(n + 2)[:n].decode())
        client.sendall((answer(words, queued) + "|").replace("|", "\r\n").encode())
        queued = [] if words[0] == "EXEC" else queued + [words] if queued or words[0] == "MULTI" else []
listener = socket.socket(socket.AF_UNIX)
listener.bind("r.sock")
listener.listen()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
PY
: >says
python3 server.py &
SERVER=$!
trap 'kill $SERVER 2>/dev/null; wait $SERVER 2>/dev/null; rm -rf "$DIR"' EXIT
for _ in $(seq 1 100); do
    [ -S r.sock ] && break
    sleep 0.05
done
unset BOUNCELINE_STATE BOUNCELINE_NODE
export BOUNCELINE_REDIS="unix:$DIR/r.sock"
bad=0
fail() { echo "FAILED: $*"; bad=1; }
ends() { # EXIT-CODE WORDS...
    want=$1
    shift
    timeout 20 "$BL" "$@" >out 2>err # a cursor that is none once led round and round
    got=$?
    [ $got = "$want" ] || { fail "$* with $(cat says): exit $got, not $want"; head -5 err; }
}
# COMMAND 'ANSWER...' WORDS...: each answer is told, and nothing else of it.  `besides`: what else the server says.
besides=
odd() {
    asked=$1
    answers=$2
    shift 2
    for answer in $answers; do
        printf '%s %s\n' "$asked" "$answer" >says
        [ -z "$besides" ] || echo "$besides" >>says
        ends 69 "$@"
        grep -qx "bounceline: Redis answers $asked with something else" err || fail "$* with $(cat says) says: $(cat err)"
        [ ! -s out ] || fail "$* with $(cat says) prints: $(cat out)"
    done
}

# --- what the server says otherwise is fine
for words in stats verify "suppress list" "suppress history"; do
    # shellcheck disable=SC2086 # words
    ends 0 $words
done
ends 1 stats --node mx9
ends 1 suppress check ana@example.org
ends 1 suppress show ana@example.org
ends 1 suppress history ana@example.org

texts='+OK :5 $-1 $3|abc *1|$-1 *1|:5 *1|*0'
values='+OK :5 $-1 $3|abc *1|:5 *1|*0'
pages='+OK :5 $-1 *0 *1|$1|0 *2|$-1|*0 *2|$1|0|*1|$-1 *2|$1|0|$2|hi *2|*0|*0'
value='+OK :5 *0'
number='+OK $-1 *0'
for words in stats verify; do
    odd HMGET "$values" $words
    odd HGETALL "$texts" $words
    odd ZRANGE "$texts" $words
done
odd ZRANGEBYSCORE "$texts" stats
odd ZCOUNT "$number" stats
odd ZSCORE "$value" stats --node mx9
odd EXISTS "$number" stats --node mx9
odd ZSCAN "$pages" suppress list
odd ZSCAN "$pages" verify
odd HSCAN "$pages" stats
odd GET "$value" suppress check ana@example.org
odd GET "$value" suppress show ana@example.org
entries="$texts *1|\$3|abc *1|*2|\$3|1-1|\$-1 *1|*2|\$-1|*0 *1|*2|\$3|1-1|*1|\$-1"
odd XRANGE "$entries" suppress history
odd XRANGE "$entries" suppress history ana@example.org
odd TYPE '$-1 :5 *0 $3|abc' verify
odd MULTI '$-1 :5 *0' verify
odd EXEC '+OK $-1 *0 *1|:5' verify
odd SCAN "$pages" verify
besides='ZSCAN *2|$1|0|*2|$15|ana@example.org|$14|99999999999999'
odd MGET "$values" suppress list
odd MGET "$values" verify
besides='EXISTS :0'
odd ZRANGE "$texts" stats --node mx9
besides='SCAN *2|$1|0|*1|$22|bl:{p00}:s:a@b.example'
odd ZSCORE '*0 :5' verify

# --- members of other kinds are a fault of the data; a key that was not asked for is nobody's
echo 'EXEC *2|$-1|:5' >says
ends 1 verify
grep -q 'node mx1: pos cannot be read' out || fail "pos is not named: $(cat out)"
echo 'SCAN *2|$1|0|*2|$1|x|$0|' >says
ends 0 verify
exit $bad
