# ctest: label=quick timeout=60
# What `explain` says of replies, lines, codes, categories and rules, on a terminal and to programs.
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

"$BL" explain '550 5.1.1 <ana@example.org>: User unknown' >out || fail "reply: exit $?"
for words in 'invalid-recipient: ' 'whose fault     recipient' 'action          suppress' 'recipient.rules:' \
    'by the words    "User unknown"  (bytes 29 to 41)' 'what to do' 'codes/invalid-recipient-address' 'a weaker kind of evidence'; do
    has reply "$words" out
done
check "words need no quotes" "$(cat out)" "$("$BL" explain 550 5.1.1 '<ana@example.org>:' User unknown)"

LINE='Nov 22 05:03:40 mx1 postfix/smtp[811]: 4F1C92A7: to=<anna@shop.example>, relay=mx1.shop.example[192.0.2.7]:25, delay=1, dsn=4.7.0, status=deferred (host mx1.shop.example[192.0.2.7] said: 421 4.7.0 [TSS04] Messages from 192.0.2.9 temporarily deferred, try again in 5 minutes (in reply to end of DATA command))'
"$BL" explain "$LINE" >out || fail "line: exit $?"
for words in 'at eod from mx1.shop.example' 'TSS04' '192.0.2.9' 'try again after 5 minutes' 'kept' ; do
    [ "$words" = kept ] || has line "$words" out
done
check "any envelope" "$(cat out)" \
    "$("$BL" explain "$(echo "$LINE" | sed 's/^Nov 22 05:03:40/2026-11-22T05:03:40.123+01:00/')")"
printf '%s\n' "$LINE" '550' 'mailbox-full' | "$BL" explain >three || fail "stdin: exit $?"
has "stdin" 'TSS04' three; has "stdin" 'codes/policy-rejected-basic' three; has "stdin" 'mailbox-full: ' three

"$BL" explain --json "$LINE" >json || fail "json: exit $?"
python3 - <<'PY' || fail "json"
import json
j = json.load(open("json"))
assert (j["v"], j["input"], j["code"], j["enhanced"], j["phase"]) == (1, "line", 421, "4.7.0", "eod"), j
assert (j["category"], j["scope"], j["action"]) == ("poor-reputation", "sender", "none")
assert j["reply"].encode()[j["match_at"]:j["match_at"] + j["match_n"]].decode() == j["matched"] == "[TSS04]"
assert (j["provider_code"], j["retry_after_s"], j["sending_ip"]) == ("TSS04", 300, "192.0.2.9")
assert j["rule"] and j["file"].endswith(".rules") and j["line"] > 0 and j["column"] > 0 and j["evidence"] and j["source"]
assert all(b["why"] and b["rule"] and b["file"] for b in j["beaten"]) and len(j["beaten"]) > 1
assert j["meaning"] and j["remedy"]
PY
check "vetoes" "veto True" "$("$BL" explain --json '550 5.1.1 sender user unknown' | python3 -c '
import json, sys
j = json.load(sys.stdin)
print(j["evidence"], j["vetoes"][0]["rule"] == j["rule"] and "veto" in j["beaten"][0]["why"])')"
check "why it is kept" "a temporary reply never suppresses" "$("$BL" explain --json '450 4.1.1 User unknown' |
    python3 -c 'import json,sys; print(json.load(sys.stdin)["kept_because"])')"

printf '%s\n' "$LINE" >log
check "events name the same" "TSS04 300 192.0.2.9" "$("$BL" scan --events log | python3 -c '
import json, sys
j = json.load(sys.stdin)
print(j["provider_code"], j["retry_after_s"], j["sending_ip"])')"

# codes, categories, rules
for code in 550 5.1.1 '550 5.1.1' 550-5.1.1 421; do
    "$BL" explain --json "$code" >json || fail "$code: exit $?"
    grep -q '"input":"code"' json || fail "$code is no code: $(cat json)"
done
"$BL" explain 550 5.7.23 >out; has "a code's meaning" 'its code        x.7.23: SPF failed' out
has "a code's remedy" 'Add the sending address to the SPF record of the envelope' out
"$BL" explain 5.1.1 >out; has "a category's remedy" 'Drop the address; check the source list' out
"$BL" explain codes/550-5.7.30 >out; has "the rule of a row" 'x.7.20: no passing DKIM signature' out
"$BL" explain mailbox-full >out; has category 'codes           ' out
check "a category in other spellings" "$(cat out)" "$("$BL" explain Mailbox full)"
"$BL" explain --json mailbox-full | python3 -c '
import json, sys
j = json.load(sys.stdin)
assert j["input"] == "category" and "522" in j["codes"] and "552 5.1.1" in j["codes"] and j["rules"] and j["action"] == "soft", j' || fail "category"
ID=$("$BL" classify --json '550 5.1.1 User unknown' | python3 -c 'import json,sys; print(json.load(sys.stdin)["rule"])')
"$BL" explain "$ID" >out || fail "rule: exit $?"; has rule 'recipient.rules:' out

# what is nothing
for word in mailbx-full 250 700 recipient/user-unknwn xyzzy ''; do
    "$BL" explain "$word" >out 2>err; check "'$word'" 65 $?
    [ -s out ] && fail "'$word': $(cat out)"
done
"$BL" explain mailbx-full 2>err; has suggestion "do you mean 'mailbox-full'?" err
"$BL" explain recipient/user-unknwn 2>err; has suggestion "do you mean 'recipient/user-unknown'?" err
"$BL" explain 'Nov 22 05:03:40 mx1 postfix/smtp[8]: 4F1C: to=<a@b.example>, relay=c[192.0.2.7]:25, delay=1, dsn=2.0.0, status=sent (250 OK)' 2>err
check "delivered" 65 $?; has delivered 'nothing failed: this line says delivered' err
"$BL" explain 'Nov 22 05:03:40 mx1 postfix/qmgr[8]: 4F1C92A7: removed' 2>err; check "no result" 65 $?
printf 'mailbx-full\n550\n' | "$BL" explain >out 2>err; check "stdin goes on" 65 $?; has "stdin goes on" codes/policy-rejected-basic out
"$BL" explain --phase nowhere x 2>/dev/null; check "unknown phase" 64 $?
"$BL" explain --rules /nowhere x 2>/dev/null; check "no rules there" 66 $?
"$BL" explain --help | sed -n 3p | grep -q 'bounceline explain' || fail "help begins with examples"

# own rules
mkdir d; printf '[specific]\nours: "user unknown" -> policy-rejected ; ours\n = 550 user unknown\n' >d/10-own.rules
"$BL" explain --rules d --json '550 5.1.1 User unknown' | python3 -c '
import json, sys
j = json.load(sys.stdin)
assert j["rule"] == "10-own/ours" and j["own"] is True and j["file"] == "d/10-own.rules", j
assert "your own" in j["beaten"][0]["why"], j' || fail "own rules"
check "the same by the environment" "10-own/ours" "$(BOUNCELINE_RULES=d "$BL" classify --json '550 5.1.1 User unknown' |
    python3 -c 'import json,sys; print(json.load(sys.stdin)["rule"])')"

# hostile bytes; colours only on a terminal
printf '550 5.1.1 \033[31mUser unknown \302\233 \377\n' | "$BL" explain >out
LC_ALL=C grep -q "$(printf '[\001-\011\013-\037\177-\377]')" out && fail "a control byte reached the answer"
printf '550 5.1.1 \033[31mUser unknown \377\n' | "$BL" explain --json | python3 -c 'import json,sys; json.loads(sys.stdin.buffer.read().decode("utf-8"))' || fail "json of odd bytes"
python3 - "$BL" <<'PY' || fail "terminal"
import os, pty, sys
try:
    for fd in pty.openpty():
        os.close(fd)
except OSError:
    print("no pseudo-terminals here: colours are not looked at")
    sys.exit(0)
def shown(env):
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(sys.argv[1], [sys.argv[1], "explain", "550 5.1.1 \x1b[2JUser unknown"], dict(os.environ, **env))
    out = b""
    while True:
        try:
            more = os.read(fd, 65536)
        except OSError:
            break
        if not more:
            break
        out += more
    os.waitpid(pid, 0)
    return out
colour = shown({"TERM": "xterm", "NO_COLOR": ""})
assert b"\x1b[1;31mUser unknown\x1b[0m" in colour, colour
assert b"\x1b[2J" not in colour and b"\\x1b[2J" in colour
for env in ({"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb", "NO_COLOR": ""}):
    assert b"\x1b" not in shown(env)
PY
exit $bad
