# ctest: label=quick timeout=120
# `stats`, `suppress` and `verify` against a real redis-server, whose counters are written here by hand in
# the layout of sinks/README.md: so every sum is known.
set -u
export TZ=UTC LC_ALL=C
BL=${BL_PROGRAM:-$1/bounceline}
for tool in redis-server redis-cli python3; do
    command -v $tool >/dev/null || { echo "needs $tool"; exit 77; }
done
. "$(dirname "$0")/../support/own_redis.sh"
DIR=$(mktemp -d) || exit 1
cd "$DIR" || exit 1
trap 'stop_redis; rm -rf "$DIR"' EXIT
start_redis
unset BOUNCELINE_STATE BOUNCELINE_NODE
export BOUNCELINE_REDIS="unix:$DIR/redis.sock"
r() { redis-cli -s "$DIR/redis.sock" "$@" >/dev/null || { echo "redis-cli $*"; exit 1; }; }
bad=0
fail() { echo "FAILED: $*"; bad=1; }
check() {
    [ "$2" = "$3" ] || { fail "$1"; printf 'expected:\n%s\ngot:\n%s\n' "$2" "$3"; }
}
value() { python3 -c 'import json,sys; j = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }

# --- nothing there yet
check "empty" "0 0" "$("$BL" stats --json | value 'j["lines"], j["suppressed"]' | tr -d '(),')"
"$BL" verify >/dev/null || fail "verify of nothing: exit $?"
"$BL" suppress list >out || fail "list of nothing: exit $?"
check "list of nothing" "" "$(cat out)"

# --- counters of two nodes.  mx1 has been counting for two days, and has a bucket of what is too old.
now=$(date +%s)
min=$((now / 60)) hour=$((now / 3600)) day=$((now / 86400))
r hset bl:meta schema 1 partitions 2 dataset 00000000000000aa
r zadd bl:nodes 1 mx1 2 mx2
# bucket NODE KIND:NUMBER delivered bounced deferred
bucket() {
    r hset "bl:{n:$1}:$2" 'all|*' $(($3 + $4 + $5)) 'all|*|delivered' $3 'all|*|bounced' $4 'all|*|deferred' $5 \
        'all|*|bounced|invalid-recipient' $4 'all|*|deferred|greylisted' $5 'all|~no-attempt|deferred' 1 'all|~no-attempt' 1 \
        'domain|example.org' $(($3 + $4 + $5)) 'domain|example.org|delivered' $3 'domain|example.org|bounced' $4 \
        'domain|example.org|bounced|invalid-recipient' $4 'domain|~other' 1 'domain|~other|deferred' $5 '#|domain' 1 \
        'provider|Google|delivered' $3 'provider|Google|bounced' $4 'sender|<>|delivered' 1 'sender|shop.example|bounced' $4
}
bucket mx1 d:old 5 5 5
bucket mx1 d:$((day - 1)) 100 20 10
bucket mx1 d:$day 400 30 10
bucket mx1 h:$hour 300 20 10
bucket mx1 m:$min 200 10 1
bucket mx2 d:$day 1 1 1
r zadd 'bl:{n:mx1}:days' 0 old $((day - 1)) $((day - 1)) $day $day
r zadd 'bl:{n:mx2}:days' $day $day
r hset 'bl:{n:mx1}:t' f1'|bytes' 5000 f1'|lines' 700 f1'|unparsed' 2 f1'|long' 0 f1'|repeats_cut' 6 f1'|skipped' 100 f1'|delivered' 300 \
    f1'|bounced' 40 f2'|bytes' 10 f2'|lines' 100 f2'|unparsed' 1 f2'|delivered' 205 f2'|bounced' 15 f2'|deferred' 25
r hset 'bl:{n:mx1}:pos' dataset 00000000000000aa 'mx1|epoch' 7 'mx1|g|f1' '5000 1 2 3' 'mx1|g|f2' '10 1 2 3'
r hset 'bl:{n:mx2}:t' e1'|bytes' 9 e1'|lines' 3 e1'|delivered' 1 e1'|bounced' 1 e1'|deferred' 1
r hset 'bl:{n:mx2}:pos' dataset 00000000000000aa 'mx2|epoch' 3 'mx2|g|e1' '9 1 2 3'

"$BL" stats --json >all || fail "stats: exit $?"
python3 - <<'PY' || fail "stats --json"
import json
j = json.load(open("all"))
assert (j["lines"], j["unparsed"], j["repeats_cut"]) == (803, 3, 6) and "long_lines" not in j, j
o = j["outcomes"]
assert (o["delivered"], o["bounced"], o["deferred"], o["expired"]) == (506, 56, 30, 0), o
assert j["deferred_without_attempt"] == 4
assert j["categories"] == {"invalid-recipient": 56} and j["deferrals"] == {"greylisted": 26}, j
assert j["domains"] == {"example.org": {"delivered": 506, "bounced": 56}, "~other": {"deferred": 26}}, j["domains"]
assert j["providers"] == {"Google": {"delivered": 506, "bounced": 56}}
assert j["senders"]["<>"] == {"delivered": 4} and j["senders"]["shop.example"] == {"bounced": 56}
assert abs(j["rates"]["bounce"] - 56 / (506 - 4 + 56)) < 1e-6, j["rates"]
assert set(j["windows"]) == {"1m", "5m", "1h", "24h"}, j["windows"]
assert list(j["hours"].values()) == [{"delivered": 300, "bounced": 20, "deferred": 10}], j["hours"]
assert j["faults"] == {"recipient": 56}, j["faults"]
assert abs(j["rates"]["deferral"] - 26 / (506 - 4 + 26 + 56)) < 1e-6, j["rates"]
PY
check "the same fields as scan --json" "$(echo | "$BL" scan --json - | value 'sorted(j)')" \
    "$(value 'sorted(set(j) - {"deferred_without_attempt", "repeats_cut", "hours", "windows"})' <all)"
check "one node" 1 "$("$BL" stats --json --node mx2 | value 'j["outcomes"]["delivered"]')"
"$BL" stats --node mx9 >out 2>err; check "a node nobody knows" 1 $?
check "which nodes there are" "bounceline: there is no node 'mx9'; these are: mx1 mx2" "$(cat err)"
check "nothing of it" "" "$(cat out)"
# since: the minute alone; up to the hour; yesterday whole; the period has no lines of its own
# (around midnight a window reaches into other buckets than those written here, so look from mid-day)
check "since has no lines" False "$("$BL" stats --json --since 5m | value '"lines" in j')"
if [ $((now % 3600)) -gt 300 ] && [ $((now % 86400)) -gt 7200 ] && [ $((now % 86400)) -lt 86280 ]; then
    check "this minute" 200 "$("$BL" stats --json --since 10s --node mx1 | value 'j["outcomes"]["delivered"]')"
    # One of the delivered was sent by the null sender.
    check "the last five minutes" "0.047847 0.004762" \
        "$("$BL" stats --json | value 'j["windows"]["5m"]["bounce"], j["windows"]["5m"]["deferral"]' | tr -d '(),')"
    check "this hour" 300 "$("$BL" stats --json --since "$(date -u -d @$((hour * 3600)) +%FT%TZ)" --node mx1 | value 'j["outcomes"]["delivered"]')"
fi
check "today" 401 "$("$BL" stats --json --since "$(date -u -d @$((day * 86400)) +%F)" | value 'j["outcomes"]["delivered"]')"
check "fifty days" 501 "$("$BL" stats --json --since 50d | value 'j["outcomes"]["delivered"]')"
"$BL" stats >report || fail "stats: exit $?"
for words in '803 lines, 3 not understood' '^  bounce  *10.04 %' '^  24 hours ' '^  example.org  *506 ' 'nodes mx1, mx2'; do
    grep -q -- "$words" report || { fail "the report lacks: $words"; cat report; }
done

# --- verify: clean, and each way of not being so
"$BL" verify >out || { fail "verify: exit $?"; cat out; }
"$BL" verify --node mx2 >out || { fail "verify of one node: exit $?"; cat out; }
"$BL" verify --node mx9 >out 2>err; check "verify of a node nobody knows" 1 $?
check "verify: which nodes there are" "bounceline: there is no node 'mx9'; these are: mx1 mx2" "$(cat err)"
check "verify: nothing adds up of it" "" "$(cat out)"
broken() { # NAME FIND
    "$BL" verify >out
    check "verify: $1" 1 $?
    grep -q -- "$2" out || { fail "verify: $1 is not named"; cat out; }
    check "verify --json: $1" False "$("$BL" verify --json | value 'j["clean"]')"
}
for key in 'bl:{n:mx1}:pos' 'bl:{n:mx1}:t' 'bl:{n:mx1}:days' "bl:{n:mx1}:d:$day" 'bl:{p00}:pos' 'bl:{p00}:x'; do
    there=$(redis-cli -s "$DIR/redis.sock" exists "$key")
    case $there in *1*) r rename "$key" kept ;; esac
    r set "$key" foreign
    broken "$key of another type" "${key##*mx1\}:}"
    r del "$key"
    case $there in *1*) r rename kept "$key" ;; esac
done
"$BL" verify >out || { fail "verify with the keys back: exit $?"; cat out; }
r hincrby 'bl:{n:mx1}:t' 'f1|bytes' 1
broken "a byte counted twice" 'log file f1: position 5000, but 5001'
r hincrby 'bl:{n:mx1}:t' 'f1|bytes' -1
r hincrby "bl:{n:mx1}:d:$day" 'all|*|bounced' 1
broken "a day counts more" 'bounced'
r hincrby "bl:{n:mx1}:d:$day" 'all|*|bounced' -1
r hincrby "bl:{n:mx1}:d:$day" 'all|*|bounced' -1
broken "a day counts less" 'bounced'
r zadd 'bl:{n:mx1}:days' $((day - 399)) $((day - 399))
"$BL" verify >out || { fail "verify with a day that has expired: exit $?"; cat out; }
r zrem 'bl:{n:mx1}:days' $((day - 399))
r hincrby "bl:{n:mx1}:d:$day" 'all|*|bounced' 1
r hset 'bl:{p00}:pos' dataset 00000000000000bb
broken "a slot of other data" 'dataset'
r del 'bl:{p00}:pos'

# --- suppress: add, check, show, list, remove
"$BL" suppress check ana@example.org >out; check "unknown" 1 $?
grep -q 'ana@example.org  *may be mailed' out || fail "check says: $(cat out)"
"$BL" suppress add Ana@EXAMPLE.org --note 'asked by phone' >out || fail "add: exit $?"
grep -q 'added ana@example.org.*undo: bounceline suppress remove ana@example.org' out || fail "add says: $(cat out)"
"$BL" suppress check ANA@example.ORG >out || fail "check: exit $?"
check "check --json" "True manual" "$("$BL" suppress check --json ana@example.org | value 'print(j["suppressed"], j["state"]) or ""' | head -1)"
"$BL" suppress show ana@example.org | grep -q 'asked by phone' || fail "show without the note"
check "stats counts it" 1 "$("$BL" stats --json | value 'j["suppressed"]')"
check "an application's own look" 1 "$(redis-cli -s redis.sock --raw keys 'bl:{p0[01]}:s:ana@example.org' | wc -l)"
"$BL" suppress add ana@example.org --note 'asked by phone' | grep -q 'nothing to do' || fail "twice"
"$BL" suppress add ana@example.org | grep -q 'nothing to do' || fail "twice, without a note"
"$BL" suppress show ana@example.org | grep -q 'asked by phone' || fail "adding without a note erased it"
for pasted in '<ana@example.org>' 'mailto:Ana@example.org' 'mailto:<ana@example.org>' 'ana@example.org.'; do
    "$BL" suppress check "$pasted" >/dev/null || fail "check $pasted: exit $?"
done
for never in 'a@b@example.org' 'a@b..org' 'a@-b.example' 'a@b-.example' 'a@.example' 'a@example..' '<<a@example.org>'; do
    "$BL" suppress add "$never" >out 2>err; check "add $never" 65 $?
    grep -qF "'$never' is no address" err || fail "which? $(cat err)"
done
"$BL" suppress add '"odd@one"@example.org' >/dev/null || fail "a quoted local part: exit $?"
"$BL" suppress remove '"odd@one"@example.org' >/dev/null || fail "and off again: exit $?"
seq -f 'user%g@example.net' 1 3000 | "$BL" suppress add - >out || fail "add -: exit $?"
check "add -" 3000 "$(wc -l <out)"
check "list" 3001 "$("$BL" suppress list | sort -u | wc -l)"
check "list --json" 3001 "$("$BL" suppress list --json | python3 -c '
import json, sys
print(len({j["address"] for j in map(json.loads, sys.stdin) if j["v"] == 1 and j["suppressed"]}))')"
"$BL" verify >out || { fail "verify after adding: exit $?"; cat out; }
"$BL" suppress remove ana@example.org --note 'mailbox fixed' >out || fail "remove: exit $?"
grep -q 'removed ana@example.org.*undo' out || fail "remove says: $(cat out)"
"$BL" suppress check ana@example.org >/dev/null; check "removed" 1 $?
"$BL" suppress remove ana@example.org >/dev/null; check "removed twice" 1 $?
"$BL" suppress show --json ana@example.org | value 'j["probation"]' | grep -q True || fail "no probation"
# What is changed by hand is kept as long as the configuration says: it once was a year, whatever that said.
printf 'suppression:\n  strike_memory: 900d\n' >long.yaml
"$BL" suppress add --config long.yaml kept@example.org >/dev/null || fail "add with a configuration: exit $?"
"$BL" suppress remove --config long.yaml kept@example.org >/dev/null || fail "remove with a configuration: exit $?"
kept=$(redis-cli -s redis.sock ttl "$(redis-cli -s redis.sock --raw keys 'bl:{p0[01]}:a:kept@example.org')")
[ "$kept" -gt $((899 * 86400)) ] || fail "a removed one is kept for $kept s"
"$BL" suppress show --config long.yaml kept@example.org | grep -q 'what is known is kept for 900 days$' || fail "show says how long"
"$BL" suppress check user1@example.net nobody@example.net >out; check "of several one may be mailed" 1 $?
check "of several" 2 "$(wc -l <out)"
"$BL" suppress show nobody@example.net >/dev/null 2>&1; check "show of nobody" 1 $?
"$BL" suppress add 'not an address' 2>err; check "no address" 65 $?
grep -q "'not an address' is no address" err || fail "no address: $(cat err)"

p=$(redis-cli -s redis.sock --raw keys 'bl:{p0[01]}:s:user7@example.net' | cut -c 5-7)
r del "bl:{$p}:s:user7@example.net"
broken "a verdict is gone" 'user7@example.net is suppressed and has no verdict'
"$BL" suppress remove user7@example.net >/dev/null || fail "remove of a half one"
"$BL" verify >out || { fail "verify after the remove: exit $?"; cat out; }
r set "bl:{$p}:s:user7@example.net" 'suppressed hard invalid-recipient 1 2 1'
broken "a verdict too many" 'user7@example.net may be mailed and has a verdict'
r del "bl:{$p}:s:user7@example.net"
r set "bl:{$p}:a:user7@example.net" 'nonsense'
broken "a record that is none" 'user7@example.net has a record that cannot be read'
r del "bl:{$p}:a:user7@example.net"
broken "no record" 'user7@example.net is in the index and has no record'
r zrem "bl:{$p}:x" user7@example.net
r zrem "bl:{$p}:x" user8@example.net
r zrem "bl:{$( [ $p = p00 ] && echo p01 || echo p00 )}:x" user8@example.net
broken "not in the index" 'user8@example.net is not in the index'
r del "bl:{p00}:a:user8@example.net" "bl:{p00}:s:user8@example.net"
r del "bl:{p01}:a:user8@example.net" "bl:{p01}:s:user8@example.net"
"$BL" verify >out || { fail "verify at the end: exit $?"; cat out; }

# --- many log files.  Looked up one by one in all of the totals they took so long that the connection was given up.
r eval 'for i = 1, 20000 do local g = string.format("%016x", i * 7919)
    redis.call("HSET", KEYS[1], "mx2|g|" .. g, 5) redis.call("HSET", KEYS[2], g .. "|bytes", 5, g .. "|lines", 1) end return 0' \
    2 "bl:{n:mx2}:pos" "bl:{n:mx2}:t"
"$BL" verify --node mx2 >out 2>err || fail "verify of many log files: exit $?: $(cat out err)"

# --- more fields than a reply may hold, as keys_per_day allows them: one HGETALL of them was refused
r eval 'for i = 1, 600000 do redis.call("HSET", KEYS[1], "sender|s" .. i, 1) end return 0' 1 \
    "bl:{n:mx2}:d:$day"
check "a large day" 1 "$("$BL" stats --node mx2 --json | value 'j["outcomes"]["bounced"]')"

# --- Redis is not there, or holds something else
"$BL" stats --redis "unix:$DIR/nothing.sock" >/dev/null 2>err; check "no Redis" 69 $?
[ -s err ] || fail "no Redis: not said"
"$BL" --redis "unix:$DIR/nothing.sock" stats >/dev/null 2>&1; check "--redis before the command" 69 $?
"$BL" stats --redis nonsense >/dev/null 2>&1; check "no URL" 64 $?
"$BL" stats --node 'a b' >/dev/null 2>&1; check "no node's name" 64 $?
r hset bl:meta schema 2
"$BL" stats >/dev/null 2>err; check "data of another version" 78 $?
r hset bl:meta schema 1
r set bl:nodes x
"$BL" stats >/dev/null 2>err; check "a foreign key" 69 $?
exit $bad
