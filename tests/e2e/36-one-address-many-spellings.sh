# ctest: label=quick timeout=120
# An address has one record however Postfix, Exim or a person spells it: its domain in UTF-8, in upper case or as the
# A-label, its local part in quotes with a blank in it.  Fails at every check of an international address when
# fold_domain() (core/account/address.c) gives back what it got, and of domains when admit() (tally.c) does not fold.
set -u
export TZ=UTC LC_ALL=C
BL=${BL_PROGRAM:-$1/bounceline}
for tool in redis-server python3; do
    command -v "$tool" >/dev/null || { echo "needs $tool"; exit 77; }
done
DIR=$(mktemp -d) || exit 1
trap 'rm -rf "$DIR"' EXIT
cd "$DIR" || exit 1
unset BOUNCELINE_REDIS BOUNCELINE_NODE
export BOUNCELINE_STATE="$DIR/state"
bad=0
check() { # NAME EXPECTED GOT
    [ "$2" = "$3" ] || { echo "FAILED: $1"; printf 'expected:\n%s\ngot:\n%s\n' "$2" "$3"; bad=1; }
}
fields() { # of each line of JSON
    PYTHONIOENCODING=utf-8 python3 -c 'import json,sys
for l in sys.stdin.buffer: j = json.loads(l); print(*(j.get(k, "-") for k in sys.argv[1:]))' "$@"
}
now=$(date +%s)
at() { date -u -d @$((now - $1)) "+%Y-%m-%d$2%H:%M:%S"; }
SAID="550 5.1.1 User unknown"
postfix() { # SECONDS-AGO QUEUE-ID RECIPIENT [delivered]
    if [ $# = 4 ]; then ends="dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 1)"
    else ends="dsn=5.1.1, status=bounced (host mx.example.org[192.0.2.20] said: $SAID (in reply to RCPT TO command))"; fi
    echo "$(at "$1" T)+00:00 mx1 postfix/smtp[1]: $2: to=<$3>, relay=mx.example.org[192.0.2.20]:25, delay=1, delays=0/0/0/1, $ends"
}
exim() {
    echo "$(at "$1" ' ') 1xUzl$2-0000Ab-0d ** $3 R=dns T=smtp H=mx.example.org [192.0.2.20]: SMTP error from remote mail server after RCPT TO:<$3>: $SAID"
}
told() {
    "$BL" run --once mail.log >/dev/null 2>err || { echo "FAILED: run: exit $?"; cat err; exit 1; }
}

KEY=anna@xn--80a1acny.example
{
    postfix 3600 A1 anna@почта.example
    exim 3500 1 Anna@ПОЧТА.example
    postfix 3400 A2 anna@xn--80a1acny.example
    postfix 3300 B1 '"John Doe"@example.com'
    exim 3200 2 '"john doe"@Example.com'
    postfix 3100 C1 "$(printf 'ben@m\374ller.example')" # no UTF-8: keeps its bytes
    postfix 3000 D1 почта@example.com
} >mail.log
told
check "one record each" "$(printf '"john doe"@example.com\n%s\nben@m\\xfcller.example\nпочта@example.com' "$KEY")" \
    "$("$BL" suppress list | sed 's/  *suppressed .*//' | sort)"
for spelling in anna@почта.example ANNA@Почта.EXAMPLE anna@XN--80A1ACNY.example; do
    check "$spelling" "$KEY True" "$("$BL" suppress check --json "$spelling" | fields address suppressed)"
done
check "all three failures" 3 "$("$BL" suppress show --json anna@почта.example | python3 -c 'import json, sys; print(len(json.load(sys.stdin.buffer)["failures"]))')"
check "both in quotes" 2 "$("$BL" suppress show --json '"JOHN DOE"@example.com' | python3 -c 'import json, sys; print(len(json.load(sys.stdin.buffer)["failures"]))')"
for domain in почта.example @ПОЧТА.example xn--80a1acny.example; do
    check "list of $domain" "$KEY" "$("$BL" suppress list --json --domain "$domain" | fields address)"
    check "history of $domain" "$KEY" "$("$BL" suppress history --json --domain "$domain" | fields address)"
done
"$BL" scan --json mail.log >scan.json
"$BL" stats --json >stats.json
python3 - <<'PY' || bad=1
import json
scan, stats = json.load(open("scan.json", "rb")), json.load(open("stats.json", "rb"))
assert scan["suppressed"] == stats["suppressed"] == 4, (scan["suppressed"], stats["suppressed"])
assert scan["domains"] == stats["domains"], (scan["domains"], stats["domains"])
assert scan["domains"]["xn--80a1acny.example"] == {"bounced": 3} and len(scan["domains"]) == 3, scan["domains"]
PY
check "events say what the log says" "anna@почта.example Anna@ПОЧТА.example" \
    "$(echo $("$BL" scan --events mail.log | head -2 | fields recipient))"

# --- a delivery under another spelling clears it, in a scan as well
{
    postfix 60 A3 Anna@Почта.Example delivered
    postfix 60 B2 '"JOHN DOE"@example.com' delivered
} >>mail.log
told
check "cleared" "$KEY False
\"john doe\"@example.com False" "$("$BL" suppress check --json anna@xn--80a1acny.example '"john doe"@example.com' | fields address suppressed)"
check "in a scan, too" 2 "$("$BL" scan --json mail.log | fields suppressed)"
"$BL" verify >/dev/null || { echo "FAILED: verify: exit $?"; bad=1; }

# --- by hand; what undoes it can be pasted
for spelling in 'eva@ПОЧТА.example' 'почта@почта.example' '"john o'\''doe"@example.net'; do
    "$BL" suppress add "$spelling" >said || { echo "FAILED: add $spelling: exit $?"; bad=1; }
    "$BL" suppress check "$spelling" >/dev/null; check "added: $spelling" 0 $?
    undo=$(sed -n 's/.*   undo: bounceline //p' said)
    eval "\"$BL\" $undo" >said 2>&1 || { echo "FAILED: undoing $spelling: $undo: $(cat said)"; bad=1; }
    "$BL" suppress check "$spelling" >/dev/null; check "undone: $spelling" 1 $?
done
printf '"a b"@example.net\nc@почта.example\n' | "$BL" suppress add - >/dev/null
check "from standard input" '"a b"@example.net True
c@xn--80a1acny.example True' "$(printf '"A b"@example.net\nc@ПОЧТА.example\n' | "$BL" suppress check --json - | fields address suppressed)"
"$BL" suppress add 'john doe@example.net' >said 2>&1; check "a blank without quotes is no address" 65 $?
exit $bad
