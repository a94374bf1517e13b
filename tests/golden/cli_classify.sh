# ctest: label=quick timeout=60
# What `classify` prints, from arguments and from standard input.
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

check "columns" \
'invalid-recipient       hard         recipient   suppress RULE 550 5.1.1 User unknown
mailbox-full            soft         recipient   soft     RULE 452 4.2.2 Mailbox full' \
    "$("$BL" classify '550 5.1.1 User unknown' '452 4.2.2 Mailbox full' | sed 's|[a-z0-9-]*/[a-z0-9/.-]*  *|RULE |')"
check "standard input is the same" "$("$BL" classify '550 5.1.1 User unknown' '452 4.2.2 Mailbox full')" \
    "$(printf '550 5.1.1 User unknown\r\n452 4.2.2 Mailbox full' | "$BL" classify)"

"$BL" classify --json --phase rcpt '550 5.1.1 User unknown' >json || fail "json: exit $?"
python3 - <<'PY' || fail "json"
import json
j = json.load(open("json"))
assert set(j) == {"v", "code", "enhanced", "category", "type", "scope", "ses_type", "ses_subtype", "action",
                  "rule", "meaning", "remedy"}, j
assert (j["v"], j["code"], j["enhanced"], j["category"]) == (1, 550, "5.1.1", "invalid-recipient")
assert (j["type"], j["scope"], j["ses_type"], j["action"]) == ("hard", "recipient", "Permanent", "suppress")
PY
check "what is not there is absent" 'v category type' "$("$BL" classify --json 'no words we know' | python3 -c '
import json, sys
j = json.load(sys.stdin)
assert "code" not in j and "enhanced" not in j and j["category"] == "unclassified", j
print(*list(j)[:3])')"

check "what a reply names" "bl.example.net None None 192.0.2.9" "$("$BL" classify --json \
    '554 5.7.1 Client host [192.0.2.9] blocked using bl.example.net' | python3 -c '
import json, sys
j = json.load(sys.stdin)
print(j["blocklist"], j.get("retry_after_s"), j.get("provider_code"), j["sending_ip"])')"

# Postfix's wrapping: only what was said counts, never the host's name
check "wrapped" "$("$BL" classify --json --phase rcpt '550 5.1.1 User unknown')" \
    "$("$BL" classify --json 'host spam-blocklist.example[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command)')"

# a whole line of a log: only what is in its brackets, or what a host said
for line in 'Nov 22 05:03:40 blocklist postfix/smtp[8]: 4F1C: to=<spam@quota.example>, relay=rbl.example[192.0.2.7]:25, delay=1, dsn=5.1.1, status=bounced (host rbl.example[192.0.2.7] said: 550 5.1.1 User unknown (in reply to RCPT TO command))' \
    'to=<a@b.example>, status=bounced (host rbl.example[192.0.2.7] said: 550 5.1.1 User unknown (in reply to RCPT TO command))' \
    'postfix/smtp[8]: 4F1C: host rbl.example[192.0.2.7] said: 550 5.1.1 User unknown (in reply to RCPT TO command)'; do
    check "whole line" "$("$BL" classify --json --phase rcpt '550 5.1.1 User unknown')" "$("$BL" classify --json "$line")"
done
check "what a reply quotes stays in it" 421 "$("$BL" classify --json '421 we asked, mx.example said: 550 no' | python3 -c 'import json,sys; print(json.load(sys.stdin)["code"])')"

# many lines: as many answers, in order, the same as one at a time; empty and endless lines are lines
python3 - <<'PY'
import random
random.seed(7)
words = ["550 5.1.1 User unknown", "452 4.2.2 Mailbox full", "", "554 5.7.1 blocked", "421 try later",
         "550 \x1b[31m odd \x00 bytes", "x" * 70000, "550 5.1.1 " + "y" * 300000 + " User unknown"]
with open("many", "wb") as f:
    for i in range(3000):
        w = words[random.randrange(6)] if i % 500 else random.choice(words[6:])
        f.write(w.encode("latin-1") + b"\n")
PY
"$BL" classify --json <many >out || fail "many: exit $?"
check "as many answers" 3000 "$(wc -l <out)"
i=0
for n in 1 2 3 500 501 777 1001 3000; do
    line=$(sed -n "${n}p" many | head -c 65536 | tr -d '\000')
    case $line in *odd*) continue ;; esac
    check "line $n" "$("$BL" classify --json -- "$line")" "$(sed -n "${n}p" out)"
done
"$BL" classify <many >out
LC_ALL=C grep -q "$(printf '[\001-\011\013-\037\177]')" out && fail "a control byte reached the answer"
check "as many lines" 3000 "$(wc -l <out)"
"$BL" classify - <many | cmp -s - out || fail "- is not standard input"

# somebody who asks line by line gets each answer at once
python3 - "$BL" <<'PY' || fail "no answer to a single line"
import subprocess, sys
p = subprocess.Popen([sys.argv[1], "classify"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
for _ in range(3):
    p.stdin.write(b"550 5.1.1 User unknown\n"); p.stdin.flush()
    assert p.stdout.readline().startswith(b"invalid-recipient")
p.stdin.close()
assert p.wait(10) == 0
PY

"$BL" classify --phase nowhere x >/dev/null 2>&1; check "unknown phase" 64 $?
"$BL" classify --phase >/dev/null 2>err; check "no value" 64 $?
grep -q -- '--phase needs a value' err || fail "which option? $(cat err)"
"$BL" --redis >/dev/null 2>err; check "--redis without value" 64 $?
grep -q -- '--redis needs a value' err || fail "--redis: $(cat err)"
"$BL" top x >/dev/null 2>err; check "a later command" 64 $?
grep -q "'top' is not in this version" err || fail "top: $(cat err)"
"$BL" suppress export 2>err; check "suppress export" 64 $?
grep -q "'export' is not in this version" err || fail "suppress export: $(cat err)"
"$BL" run -c ./nothing y >/dev/null 2>err; check "run -c" 78 $?
grep -q "cannot open './nothing'" err || fail "run -c: $(cat err)"
"$BL" nonsense >/dev/null 2>&1; check "unknown command" 64 $?
"$BL" >/dev/null 2>&1; check "no command" 64 $?
"$BL" --help | grep -q 'bounceline scan /var/log' || fail "help without an example"
"$BL" --version | grep -q '^bounceline [0-9]' || fail "version"
exit $bad
