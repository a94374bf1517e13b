# ctest: label=quick timeout=90
# `rules list|check|test|unknown|hits`, and --rules where replies are judged.
set -u
export LC_ALL=C BOUNCELINE_RULES=
BL=${BL_PROGRAM:-$1/bounceline}
command -v python3 >/dev/null || { echo "needs python3"; exit 77; }
DIR=$(mktemp -d) || exit 1
trap 'rm -rf "$DIR"' EXIT
cd "$DIR" || exit 1
bad=0
fail() { echo "FAILED: $*"; bad=1; }
check() {
    [ "$2" = "$3" ] || { fail "$1"; printf 'expected:\n%s\ngot:\n%s\n' "$2" "$3"; }
}
has() { # NAME WORDS FILE
    grep -qF -- "$2" "$3" || { fail "$1: no '$2'"; cat "$3"; }
}

# list
"$BL" rules list >all || fail "list: exit $?"
check "each id once" "" "$(awk '{print $2}' all | sort | uniq -d)"
"$BL" rules list --category mailbox-full >out
check "a category alone" mailbox-full "$(awk '{print $1}' out | sort -u)"
"$BL" rules list --provider google >out; has "a provider" Google out
"$BL" rules list --json | python3 -c '
import json, sys
rules = [json.loads(line) for line in sys.stdin]
assert all(r["v"] == 1 and r["rule"] and r["file"] and r["line"] and r["category"] and r["evidence"] for r in rules)
print(len(rules))' >n; check "json lists the same" "$(wc -l <all)" "$(cat n)"
"$BL" rules list --categories >out; has "categories" "mailbox-full" out
"$BL" rules list --category mailbx-full 2>err; check "no such category" 64 $?; has suggestion "'mailbox-full'?" err
"$BL" rules list --provider nobody 2>/dev/null; check "no such provider" 64 $?

# check
mkdir d
printf '[specific]\na: "frobnicated twice" -> gine ; s\n = 550 x\nb: "open -> spam ; s\n' >d/bad.rules
"$BL" rules check d >out 2>err; check "bad rules" 65 $?
has "the first problem" "d/bad.rules:2:27: unknown category 'gine'" out
has "the second, too" "d/bad.rules:4:4: this phrase has no closing quote" out
check "a caret" '                              ^' "$(sed -n 3p out)"
"$BL" rules check --json d >out; check "bad rules in JSON" 65 $?
python3 -c '
import json
j = json.load(open("out"))
assert j["ok"] is False and [(p["line"], p["column"], p["note"]) for p in j["problems"]] == [(2, 27, False), (4, 4, False)], j' || fail "json problems"
for wrong in 'a: "frobnicated twice" -> mailbox-full ; s' 'disable mailbox/over-quoto' \
    'a: "user unknown" -> spam-reported ; s'; do
    printf '[specific]\n%s\n' "$wrong" >d/bad.rules
    "$BL" rules check d >out 2>&1; check "$wrong" 65 $?
done
printf '[generic]\na: "user unknown today" -> mailbox-full ; s\n = 550 user unknown today\n' >d/bad.rules
"$BL" rules check d >out; check "a rule that never wins" 65 $?; has "never wins" "can never win" out
printf '[specific]\na: "frobnicated twice" -> mailbox-full ; s\n = 550 frobnicated twice\ndisable mailbox/quota ; test\n' >d/bad.rules
"$BL" rules check d >out || fail "good rules: exit $?"; has good 'all is well; files: 1, rules: 1' out
"$BL" rules check 2>/dev/null; check "check nothing" 64 $?
"$BL" rules check nowhere 2>/dev/null; check "check what is not there" 66 $?

# test
"$BL" rules test >out || fail "samples: exit $?"; has samples 'your own: 0' out
"$BL" rules test --rules d >out || fail "own samples: exit $?"; has "own samples" 'your own: 1' out
printf 'id\tbasic\tenhanced\ttext\tcategory\ttype\n1\t550\t5.1.1\t550 5.1.1 User unknown\tinvalid-recipient\thard\n2\t452\t4.2.2\t452 4.2.2 Mailbox full\tinvalid-recipient\tsoft\n' >t.tsv
"$BL" rules test t.tsv >out; check "one wrong" 1 $?
has "which" 'line 3: expected invalid-recipient, got mailbox-full' out; has score '2 replies: category 0.5000' out
"$BL" rules test --json t.tsv >out; check "one wrong in JSON" 1 $?
python3 -c '
import json
j = json.load(open("out"))
assert (j["replies"], j["category"], j["type"], j["macro_recall"]) == (2, 0.5, 1, 0.5), j
assert j["confusion"] == [{"expected": "invalid-recipient", "got": "mailbox-full", "rows": 1}], j' || fail "json score"
head -2 t.tsv >right.tsv; "$BL" rules test right.tsv >out || fail "all right: exit $?"
printf 'text\tcategory\nx\tno-such\n' >w.tsv; "$BL" rules test w.tsv 2>err; check "unknown category" 65 $?; has where 'w.tsv: line 2:' err
printf 'words\n' >w.tsv; "$BL" rules test w.tsv 2>/dev/null; check "no columns" 65 $?

# unknown: by count, nothing private; own rules explain what was unknown
python3 - <<'PY'
with open("log", "w") as f:
    def line(i, to, text, dsn="5.0.0", status="bounced"):
        f.write("Nov 22 05:%02d:%02d mx1 postfix/qmgr[1]: %XAB: from=<news@sender-corp.example>, size=9, nrcpt=1 (queue active)\n"
                "Nov 22 05:%02d:%02d mx1 postfix/smtp[8]: %XAB: to=<%s>, relay=mx.shop.example[192.0.2.7]:25, delay=1, "
                "delays=1/0/0/0, dsn=%s, status=%s (host mx.shop.example[192.0.2.7] said: %s (in reply to RCPT TO command))\n"
                % (i // 60, i % 60, 0xA0000 + i, i // 60, i % 60, 0xA0000 + i, to, dsn, status, text))
    for i in range(30):
        line(i, "ana.lee%d@shop.example" % i, "550 zorbed ana.lee%d of shop, ticket 77%d-%d from 192.0.2.%d" % (i, i, i, i))
    for i in range(30, 40):
        line(i, "bob@shop.example", "550 the gremlin naps <bob@shop.example>")
    for i in range(40, 45):
        line(i, "bob@shop.example", "550 5.1.1 User unknown", "5.1.1")
PY
"$BL" rules unknown log >out || fail "unknown: exit $?"
check "shapes by count" '      30  550 zorbed {name} of {name}, ticket {n} from {ip}
      10  550 the gremlin naps <{address}>' "$(cat out)"
grep -qE 'ana|lee|shop|bob|sender-corp|192\.0|77' out && fail "something private is left"
"$BL" rules unknown --json log | python3 -c '
import json, sys
rows = [json.loads(line) for line in sys.stdin]
assert [r["count"] for r in rows] == [30, 10] and rows[0]["rule"].startswith("codes/") and rows[0]["category"], rows' || fail "unknown --json"
check "--top" 1 "$("$BL" rules unknown --top 1 log 2>/dev/null | wc -l)"
printf '[specific]\nzorb: "zorbed" -> policy-rejected ; s\n = 550 zorbed\n' >d/bad.rules
check "own rules explain" 1 "$("$BL" rules unknown --rules d log | wc -l)"
gzip -k log && check "packed" "$(cat out)" "$("$BL" rules unknown log.gz)"
check "standard input" "$(cat out)" "$("$BL" rules unknown - <log)"
"$BL" rules hits log >out || fail "hits: exit $?"
check "hits" "40 5" "$(awk '{print $1}' out | tr '\n' ' ' | sed 's/ $//')"
"$BL" rules hits --rules d log >out; has "hits of own rules" '30  policy-rejected         bad/zorb' out
"$BL" rules unknown nowhere 2>/dev/null; check "no such log" 66 $?
"$BL" rules unknown 2>/dev/null; check "no log" 64 $?
"$BL" rules nonsense 2>/dev/null; check "no such verb" 64 $?
"$BL" rules 2>/dev/null; check "no verb" 64 $?
"$BL" rules --help | sed -n 3p | grep -q 'bounceline rules' || fail "help begins with examples"

# the same rules everywhere
check "scan --rules" "bad/zorb 30" "$("$BL" scan --events --rules d log | python3 -c '
import json, sys
from collections import Counter
print(*Counter(json.loads(line)["rule"] for line in sys.stdin).most_common(1)[0])')"
printf 'broken\n' >d/bad.rules
for command in 'scan log' 'classify x' 'explain x' 'rules list' 'rules unknown log'; do
    BOUNCELINE_RULES=d "$BL" $command >out 2>err; check "$command with broken rules" 65 $?
    has "$command" 'd/bad.rules:1:1:' err
    [ -s out ] && fail "$command printed all the same"
done
exit $bad
