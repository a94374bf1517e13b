# ctest: label=quick timeout=120
# What `scan` prints: report, JSON, events; the same for every way of giving it the log; nothing of a log
# reaches a terminal raw; what goes wrong with files.
set -u
export TZ=UTC LC_ALL=C
unset NO_COLOR
BL=${BL_PROGRAM:-$1/bounceline}
command -v python3 >/dev/null || { echo "needs python3"; exit 77; }
command -v zstd >/dev/null || { echo "needs zstd"; exit 77; }
DIR=$(mktemp -d) || exit 1
trap 'rm -rf "$DIR"' EXIT
cd "$DIR" || exit 1
bad=0
fail() { echo "FAILED: $*"; bad=1; }
check() { # NAME EXPECTED GOT
    [ "$2" = "$3" ] || { fail "$1"; printf 'expected:\n%s\ngot:\n%s\n' "$2" "$3"; }
}

S=2026-11-22T05:00
cat >mail.log <<LOG
$S:00.000000+00:00 mx1 postfix/smtpd[11]: 4B2: client=app.example.net[192.0.2.9], sasl_method=PLAIN, sasl_username=shop
$S:00.100000+00:00 mx1 postfix/cleanup[12]: 4B2: message-id=<one@app.example.net>
$S:00.200000+00:00 mx1 postfix/qmgr[13]: 4B2: from=<news@shop.example>, size=900, nrcpt=3 (queue active)
$S:01.500000+00:00 mx1 postfix/smtp[14]: 4B2: to=<ana@example.org>, relay=mx.example.org[192.0.2.20]:25, delay=1.5, delays=0.1/0/0.4/1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 77)
$S:02.000000+00:00 mx1 postfix/smtp[15]: 4B2: to=<gone@Example.ORG>, orig_to=<list@shop.example>, relay=mx.example.org[192.0.2.20]:25, delay=2, delays=0.1/0/0.9/1, dsn=5.1.1, status=bounced (host mx.example.org[192.0.2.20] said: 550 5.1.1 <gone@example.org>: Recipient address rejected: User unknown (in reply to RCPT TO command))
$S:03.000000+00:00 mx1 postfix/smtp[16]: 4B2: to=<slow@example.com>, relay=mx.example.com[192.0.2.30]:25, delay=30, delays=0.1/0/30/0, dsn=4.2.2, status=deferred (host mx.example.com[192.0.2.30] said: 452 4.2.2 <slow@example.com>: Mailbox full (in reply to RCPT TO command))
$S:04.000000+00:00 mx1 postfix/qmgr[13]: 5C3: from=<>, size=2000, nrcpt=1 (queue active)
$S:04.250000+00:00 mx1 postfix/smtp[14]: 5C3: to=<news@shop.example>, relay=in.shop.example[192.0.2.40]:25, delay=0.25, delays=0.1/0/0.1/0, dsn=2.0.0, status=sent (250 ok)
$S:05.000000+00:00 mx1 postfix/qmgr[13]: 4B2: from=<news@shop.example>, status=expired, returned to sender
$S:05.000000+00:00 mx1 postfix/qmgr[13]: 4B2: removed
LOG

# --- events: every field, in the order of the log.  The rule's name belongs to the rules, not to this test.
want='{"v":1,"time":"2026-11-22T05:00:01.500Z","host":"mx1","mta":"postfix","service":"postfix/smtp","queue_id":"4B2","sender":"news@shop.example","message_id":"<one@app.example.net>","client":"app.example.net[192.0.2.9]","sasl_user":"shop","recipient":"ana@example.org","relay_host":"mx.example.org","relay_ip":"192.0.2.20","delay_s":1.5,"outcome":"delivered","code":250,"enhanced":"2.0.0","reply":"250 2.0.0 Ok: queued as 77"}
{"v":1,"time":"2026-11-22T05:00:02Z","host":"mx1","mta":"postfix","service":"postfix/smtp","queue_id":"4B2","sender":"news@shop.example","message_id":"<one@app.example.net>","client":"app.example.net[192.0.2.9]","sasl_user":"shop","recipient":"gone@Example.ORG","orig_recipient":"list@shop.example","relay_host":"mx.example.org","relay_ip":"192.0.2.20","delay_s":2,"outcome":"bounced","code":550,"enhanced":"5.1.1","reply":"550 5.1.1 <gone@example.org>: Recipient address rejected: User unknown","phase":"rcpt","category":"invalid-recipient","type":"hard","scope":"recipient","action":"suppress","rule":"R"}
{"v":1,"time":"2026-11-22T05:00:03Z","host":"mx1","mta":"postfix","service":"postfix/smtp","queue_id":"4B2","sender":"news@shop.example","message_id":"<one@app.example.net>","client":"app.example.net[192.0.2.9]","sasl_user":"shop","recipient":"slow@example.com","relay_host":"mx.example.com","relay_ip":"192.0.2.30","delay_s":30,"outcome":"deferred","code":452,"enhanced":"4.2.2","reply":"452 4.2.2 <slow@example.com>: Mailbox full","phase":"rcpt","category":"mailbox-full","type":"soft","scope":"recipient","action":"soft","rule":"R"}
{"v":1,"time":"2026-11-22T05:00:04.250Z","host":"mx1","mta":"postfix","service":"postfix/smtp","queue_id":"5C3","sender":"","recipient":"news@shop.example","relay_host":"in.shop.example","relay_ip":"192.0.2.40","delay_s":0.25,"outcome":"delivered","code":250,"enhanced":"2.0.0","reply":"250 ok"}'
"$BL" scan --events mail.log >events || fail "events: exit $?"
check "events" "$want" "$(head -4 events | sed 's/"rule":"[^"]*"/"rule":"R"/')"
check "the given-up recipient is an event of its own" 'expired slow@example.com 4B2' "$(python3 -c '
import json
e = [json.loads(l) for l in open("events")]
assert len(e) == 5, len(e)
print(e[4]["outcome"], e[4]["recipient"], e[4]["queue_id"])')"

# --- repetitions in a stream of counted messages: each counts wherever blocks end, for any number of threads
python3 - "$S" >counted.raw <<'PY'
import sys
for i in range(6000): # 2 MB: some borders fall between a line and its repetition
    for text in (f"postfix/smtpd[1]: NOQUEUE: reject: RCPT from h[192.0.2.9]: 550 5.1.1 <{'x' * (i % 97)}@a.example>: no; "
                 f"from=<s@c.example> to=<{'x' * (i % 97)}@a.example> proto=SMTP helo=<h>", "last message repeated 2 times"):
        message = f"<22>{sys.argv[1]}:00+00:00 mx1 {text}"
        sys.stdout.write(f"{len(message)} {message}")
PY
for jobs in 1 2 4; do
    check "counted, -j $jobs" "12000 18000 0" "$("$BL" scan -j $jobs --json counted.raw | python3 -c '
import json, sys; j = json.load(sys.stdin); print(j["lines"], j["outcomes"]["rejected"], j["unparsed"])')"
done

# --- what a door throws away is discarded, what it only says is nothing, and neither is unparsed
door="postfix/smtpd[1]: NOQUEUE:"
sed "s|^|$S:00+00:00 mx1 |" >door.log <<LOG
$door discard: RCPT from h[192.0.2.9]: <x@a>: Recipient address triggers DISCARD action; from=<s@c> to=<x@a> proto=SMTP helo=<h>
$door reject_warning: RCPT from h[192.0.2.9]: 550 5.1.1 <y@a>: no; from=<s@c> to=<y@a> proto=SMTP helo=<h>
$door hold: RCPT from h[192.0.2.9]: <z@a>: Recipient address triggers HOLD action; from=<s@c> to=<z@a> proto=SMTP helo=<h>
$door reject: RCPT from h[192.0.2.9]: 550 5.1.1 <r@a>: no; from=<s@c> to=<r@a> proto=SMTP helo=<h>
LOG
check "the door" "discarded x@a s@c rejected r@a s@c" "$("$BL" scan --events door.log | python3 -c '
import json, sys; print(*(j[k] for j in map(json.loads, sys.stdin) for k in ("outcome", "recipient", "sender")))')"
check "the door's lines are understood" "1 1 0" "$("$BL" scan --json door.log | python3 -c '
import json, sys; j = json.load(sys.stdin); print(j["outcomes"]["discarded"], j["outcomes"]["rejected"], j["unparsed"])')"

# --- repetitions beyond the cap are said; as many as the cap are not
refused="postfix/smtpd[1]: NOQUEUE: reject: RCPT from h[192.0.2.9]: 550 5.1.1 <x@a>: no; from=<s@c> to=<x@a> proto=SMTP helo=<h>"
for n in 10000 10007; do
    printf '%s\n' "$S:00+00:00 mx1 $refused" "$S:00+00:00 mx1 last message repeated $n times" >again.log
    "$BL" scan --json again.log >again.$n || fail "repetitions: exit $?"
    "$BL" scan again.log | grep -c 'repetitions not counted' >said.$n
done
check "as many repetitions as count" "10001 None 0" "$(python3 -c '
import json; j = json.load(open("again.10000")); print(j["outcomes"]["rejected"], j.get("repeats_cut"), open("said.10000").read().strip())')"
check "more than that" "10001 7 1" "$(python3 -c '
import json; j = json.load(open("again.10007")); print(j["outcomes"]["rejected"], j.get("repeats_cut"), open("said.10007").read().strip())')"

# --- one object
"$BL" scan --json mail.log >json || fail "json: exit $?"
python3 - <<'PY' || fail "json"
import json
lines = open("json").read().splitlines()
assert len(lines) == 1
j = json.loads(lines[0])
assert j["v"] == 1 and j["lines"] == 10 and j["unparsed"] == 0 and j["suppressed"] == 1, j
o = j["outcomes"]
assert (o["delivered"], o["bounced"], o["deferred"], o["expired"], o["relayed"]) == (2, 1, 1, 1, 0), o
assert set(o) == {"delivered", "relayed", "deferred", "bounced", "expired", "rejected", "dropped", "discarded"}
assert j["categories"]["invalid-recipient"] == 1 and sum(j["categories"].values()) == 2, j["categories"]
assert j["deferrals"] == {"mailbox-full": 1}, j["deferrals"]
assert j["domains"]["example.org"] == {"delivered": 1, "bounced": 1}, j["domains"]
assert j["domains"]["example.com"] == {"deferred": 1, "expired": 1}, j["domains"]
assert j["senders"]["<>"] == {"delivered": 1} and j["senders"]["shop.example"]["bounced"] == 1, j["senders"]
assert sum(sum(p.values()) for p in j["providers"].values()) == 5, j["providers"]
assert j["rates"] == {}, j["rates"]  # below 200 outcomes nothing is a rate
assert j["faults"] == {"recipient": 2} and j["hours"] == {"05": {"delivered": 2, "bounced": 1, "deferred": 1, "expired": 1}}, j
assert j["instances"] == {"postfix": j["instances"]["postfix"]} and "windows" not in j
assert j["deferred_then"] == {"recipients": 1, "delivered": 0, "relayed": 0, "bounced": 0, "expired": 1}, j["deferred_then"]
PY

# --- the report
"$BL" scan mail.log >report 2>talk || fail "report: exit $?"
for words in '^read 1 file, [0-9.]* KiB, 10 lines$' \
    '^2026-11-22 05:00:01 .. 2026-11-22 05:00:05 UTC   host mx1   Postfix$' \
    '^  delivered  *2  *50.00 %$' '^  bounced  *1  *25.00 %$' 'not shown below 200 outcomes (3)' \
    '^  null sender left out of the rates: 1 outcome$' \
    '^  invalid-recipient  *1 .*recipient  *suppress$' '^      The receiving server says' '^ *1  550 5.1.1 <gone@example.org>: ' \
    '^  recipient  *2  *100.0 %  *1    the mailbox' '^  expired  *1  *100.0 %    given up$' \
    '^  example.org  *1  *0  *1  *-   invalid-recipient$' '^1 address would be suppressed$' '^  05:00 '; do
    grep -q -- "$words" report || { fail "the report lacks: $words"; cat report; }
done
[ ! -s talk ] || fail "talk where nobody listens: $(cat talk)"

# --- what became of the deferred ones, and how long it took; days; rows on demand
line() { # DAY QUEUE-ID RECIPIENT DELAY WORDS
    echo "2026-11-$1T05:00:00.000000+00:00 mx1 postfix/smtp[1]: $2: to=<$3>, relay=mx.example.org[192.0.2.20]:25, delay=$4, delays=0/0/0/1, $5"
}
SENT="dsn=2.0.0, status=sent (250 ok)"
LATER="dsn=4.2.2, status=deferred (host mx.example.org[192.0.2.20] said: 452 4.2.2 Mailbox full (in reply to RCPT TO command))"
GONE="dsn=5.1.1, status=bounced (host mx.example.org[192.0.2.20] said: 550 5.1.1 User unknown (in reply to RCPT TO command))"
{
    for i in 1 2 3 4 5 6 7 8 9; do
        line 20 A$i a$i@example.org 1 "$LATER"
        line 20 A$i a$i@example.org 2 "$LATER"
    done
    for i in 1 2 3 4; do line 21 A$i a$i@example.org 65 "$SENT"; done
    line 21 A5 a5@example.org 7200 "$SENT"
    line 21 A6 a6@example.org 300 "$GONE"
    line 22 B1 b1@example.com 1 "$SENT" # never deferred
} >then.log
check "deferred at first" '{"recipients": 9, "delivered": 5, "relayed": 0, "bounced": 1, "expired": 0, "delivered_p50_s": 71, "delivered_p90_s": 7200, "delivered_max_s": 7200}' \
    "$("$BL" scan --json then.log | python3 -c 'import json,sys; print(json.dumps(json.load(sys.stdin)["deferred_then"]))')"
# Fails when who was deferred before the window is not remembered: 6 of 0, a share of nothing, and no section
check "deferred before the window" '{"recipients": 9, "delivered": 5, "relayed": 0, "bounced": 1, "expired": 0, "delivered_p50_s": 71, "delivered_p90_s": 7200, "delivered_max_s": 7200}' \
    "$("$BL" scan --since 2026-11-21 --json then.log | python3 -c 'import json,sys; print(json.dumps(json.load(sys.stdin)["deferred_then"]))')"
check "settled before the window" '{"recipients": 3, "delivered": 0, "relayed": 0, "bounced": 0, "expired": 0}' \
    "$("$BL" scan --since 2026-11-22 --json then.log | python3 -c 'import json,sys; print(json.dumps(json.load(sys.stdin)["deferred_then"]))')"
"$BL" scan --since 2026-11-23 then.log | grep -q '^no result of a delivery in it within the time asked for$' || fail "nothing in the window"
"$BL" scan --since 2026-11-21 then.log | grep -q '^  delivered later  *5  *55.6 % ' || fail "deferred before the window, in words"
"$BL" scan --top 1 then.log >report || fail "--top: exit $?"
for words in '^  delivered later  *5  *55.6 %    half in 71 seconds, 90 % in 2 hours, all in 2 hours$' \
    '^  bounced later  *1  *11.1 %$' '^  not settled  *3  *33.3 % ' '^  2026-11-20  *0  *18  *0  *0   ####' \
    '^  2026-11-22  *1  *0  *0  *0   #' '^  1 other  *1  *0  *0$'; do
    grep -q -- "$words" report || { fail "the report lacks: $words"; cat report; }
done
"$BL" scan --top 0 then.log >/dev/null 2>&1; check "--top 0" 64 $?

# --- Exim's main log names no host
echo '2026-11-22 05:00:01 1vMHXk-0000000Ab12-0cDe => ana@example.org R=dnslookup T=remote_smtp H=mx.example.org [192.0.2.20] C="250 ok"' >exim.log
check "no host" "2026-11-22 05:00:01 .. 2026-11-22 05:00:01 UTC   Exim" "$(TZ=UTC "$BL" scan exim.log | sed -n 2p)"

# --- on a terminal
if ! script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    echo "no pseudo-terminals here: widths and the progress bar are not looked at"
else

# --- as wide as the terminal, whatever that is; no line ends in blanks
for columns in 60 72 92 140; do
    script -qec "stty cols $columns; NO_COLOR=1 $BL scan mail.log; NO_COLOR=1 $BL scan then.log" /dev/null </dev/null |
        tr -d '\r' >wide
    grep -q 'Recipient domains' wide || fail "$columns columns: no report"
    check "$columns columns" "" "$(awk -v n=$columns '(length($0) > n && !/ UTC   host /) || / $/' wide)"
    check "reasons at $columns columns" $([ $columns -lt 92 ] && echo 0 || echo 6) "$(grep -c 'most often because' wide)"
done

# --- the bar: on a terminal, when it takes a while; never with NO_COLOR
seq 1 100000 | sed 's/.*/no mail & in here, so that it takes more than one block/' >long.log
for no_color in '' 1; do
    script -qec "sleep 1.2 | NO_COLOR=$no_color TERM=xterm $BL scan - long.log >/dev/null" /dev/null </dev/null >talk
    check "a bar with NO_COLOR='$no_color'" $([ -n "$no_color" ] && echo 0 || echo 1) "$(grep -c '\[#*\.*\] *[0-9]* %   ' talk)"
done

fi

# --- rates, the null sender apart
{
    for i in $(seq 1 150); do
        echo "$S:10.000000+00:00 mx1 postfix/smtp[1]: A$i: to=<a$i@example.org>, relay=mx.example.org[192.0.2.20]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)"
    done
    for i in $(seq 1 50); do
        echo "$S:11.000000+00:00 mx1 postfix/smtp[1]: B$i: to=<b$i@example.org>, relay=mx.example.org[192.0.2.20]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.org[192.0.2.20] said: 550 5.1.1 User unknown (in reply to RCPT TO command))"
        echo "$S:12.000000+00:00 mx1 postfix/qmgr[1]: C$i: from=<>, size=1, nrcpt=1 (queue active)"
        echo "$S:12.000000+00:00 mx1 postfix/smtp[1]: C$i: to=<c$i@example.org>, relay=mx.example.org[192.0.2.20]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.org[192.0.2.20] said: 550 5.1.1 User unknown (in reply to RCPT TO command))"
    done
} >rates.log
check "rates" '{"bounce": 0.25, "deferral": 0.0} 100' "$("$BL" scan --json rates.log | python3 -c '
import json, sys
j = json.load(sys.stdin)
print(json.dumps({k: float(v) for k, v in j["rates"].items()}), j["suppressed"])')"

# --- a later delivery takes an address off, in any spelling
{
    head -100 rates.log >/dev/null
    grep 'B[1-9]:' rates.log
    echo "$S:20.000000+00:00 mx1 postfix/smtp[1]: D1: to=<B1@EXAMPLE.org>, relay=mx.example.org[192.0.2.20]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)"
} >cleared.log
check "delivered afterwards" 8 "$("$BL" scan --json cleared.log | python3 -c 'import json,sys; print(json.load(sys.stdin)["suppressed"])')"

# --- since, until
check "since" 1 "$("$BL" scan --events --since 2026-11-22T05:00:04.5Z mail.log | wc -l)"
{ line 2 Y y@example.org 1 "$SENT"; line 2 T t@example.org 1 "$SENT"; } |
    sed "1s/^[^T]*/$(date -d yesterday +%F)/; 2s/^[^T]*/$(date +%F)/" >days.log
check "yesterday" y@example.org "$("$BL" scan --events --since yesterday --until today days.log | sed 's/.*"recipient":"\([^"]*\)".*/\1/')"
check "today" 1 "$("$BL" scan --events --since today days.log | wc -l)"
check "until" 1 "$("$BL" scan --events --until 2026-11-22T05:00:02Z mail.log | wc -l)"

# --- packed, piped, in threads: the same bytes
cat mail.log rates.log cleared.log >all.log
gzip -kc all.log >packed-gz
zstd -qc all.log >packed-zst
for how in '' --json --events; do
    "$BL" scan $how all.log | sed 1d >plain
    [ "$how" = "" ] || "$BL" scan $how all.log >plain
    for other in "-j4 all.log" "-j2 packed-gz" "packed-gz" "packed-zst" "-" "-j3 -"; do
        "$BL" scan $how $other <all.log >other
        [ "$how" = "" ] && sed -i 1d other # how many files, packed how
        [ -s plain ] && cmp -s plain other || fail "scan $how $other differs from scan $how all.log"
    done
done

# --- what a crash leaves: runs of NULs, and behind them the next line.  Every line counts, wherever blocks end.
# Fails when look_slowly() does not split at them
python3 - >holes.log <<'PY'
import sys
i = 0
while i < 4000:
    for line in open("all.log", "rb"):
        sys.stdout.buffer.write((b"\0" * [1, 10, 4096, 65000, 65536, 300000][i // 40 % 6] if i % 40 == 0 else b"") + line)
        i += 1
PY
tr -d '\0' <holes.log >whole.log
gzip -kc holes.log >holes-gz
zstd -qc holes.log >holes-zst
for how in --json --events; do
    "$BL" scan $how whole.log >plain
    for other in holes.log "-j2 holes.log" "-j4 holes-gz" "holes-zst" "-"; do
        "$BL" scan $how $other <holes.log >other
        [ -s plain ] && cmp -s plain other || fail "scan $how $other differs from what is in it without holes"
    done
done

# --- by the name of an open descriptor, as a shell's <(...) gives it; what would block or never end is refused
[ "$("$BL" scan --json /dev/fd/3 3<all.log | md5sum)" = "$("$BL" scan --json all.log | md5sum)" ] || fail "/dev/fd/3"
[ "$(cat all.log | "$BL" scan --json /dev/stdin | md5sum)" = "$("$BL" scan --json all.log | md5sum)" ] || fail "/dev/stdin"
mkfifo fifo
for what in fifo /dev/zero .; do
    timeout 20 "$BL" scan $what >/dev/null 2>refused && fail "scan $what"
    grep -q "cannot read '$what': it is" refused || fail "scan $what says: $(cat refused)"
done
"$BL" scan --json --events all.log >both 2>&1
[ $? = 64 ] && grep -q 'not both' both || fail "--json --events"

"$BL" scan --events mail.log | cmp -s plain - && fail "the comparison sees no difference"

# --- rotated: given newest first, read oldest first, so the sender is known
head -3 mail.log | gzip >r.log.2.gz
sed -n 4,5p mail.log >r.log.1
sed -n '6,$p' mail.log >r.log
"$BL" scan --events r.log r.log.1 r.log.2.gz | cmp -s - events || fail "rotated siblings differ"

# --- named twice, packed beside plain: counted once
ln -s mail.log linked.log
gzip -kc mail.log >mail.log.gz
for how in "mail.log mail.log" "mail.log ./mail.log" "linked.log mail.log" "mail.log.gz mail.log"; do
    "$BL" scan --events $how 2>err | cmp -s - events || fail "scan $how counts twice"
    grep -q 'is passed over: it is' err || fail "scan $how does not say so: $(cat err)"
done
cp mail.log copy.log # another file with the same lines is another file
check "a copy" 20 "$("$BL" scan --json mail.log copy.log | python3 -c 'import json,sys; print(json.load(sys.stdin)["lines"])')"

# --- envelopes that are not read are not silent
sed 's/^/<22>2 /' mail.log >strange.log
"$BL" scan strange.log >report 2>err || fail "strange envelope: exit $?"
grep -q 'no line has a syslog head that this version reads (RFC 3164, RFC 3339, RFC 5424)' report ||
    fail "no head: not said"
"$BL" scan --json strange.log 2>&1 >/dev/null | grep -q 'no line has a syslog head' || fail "no head: not said beside JSON"
grep -q '^4 lines look like deliveries and were not understood' report || { fail "no head: the report"; cat report; }
sed 1q mail.log >>strange.log
"$BL" scan strange.log 2>&1 | grep -q 'no line has' && fail "one head, and still none"

# --- stamps without year and zone
echo "Nov 22 06:00:01 mx1 postfix/smtp[1]: 1A: to=<a@example.org>, relay=none, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)" >old.log
touch -d 2024-11-23 old.log
check "the year is near the file's, the zone is ours" '2024-11-22T05:00:01Z' \
    "$(TZ=Europe/Berlin "$BL" scan --events old.log | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["time"])')"

# --- hostile bytes: shown, never sent; JSON stays JSON
printf '%s mx1\033[2J postfix/smtp[1]: 2B: to=<\033]0;own\007ed@ex\233ample.org\342\200\256>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (550 5.1.1 \033[31mred\033[0m \001\177\000\377\342\202 "quoted\\")\n' "$S:30.000000+00:00" >evil.log
printf '%s mx1 postfix/smtp[1]: 3C: to=<b@example.org>, relay=none, status=\033[2Jnonsense\n' "$S:31.000000+00:00" >>evil.log
LC_ALL=C grep -q "$(printf '[\001-\011\013-\037\177]')" evil.log || fail "the check itself sees no control byte"
"$BL" scan evil.log >report
LC_ALL=C grep -q "$(printf '[\001-\011\013-\037\177]')" report && fail "a control byte reached the report"
LC_ALL=C grep -q "$(printf '\342\200\256')" report && fail "a direction mark reached the report"
grep -q 'x1b\[31mred' report || { fail "the escape is not shown"; cat report; }
"$BL" scan --events evil.log >events.evil
LC_ALL=C grep -q "$(printf '[\001-\011\013-\037\177]')" events.evil && fail "a control byte reached the events"
python3 -c '
import json
for how in "events.evil", "json":
    for line in open(how, encoding="utf-8", errors="strict"):
        json.loads(line)' || fail "hostile bytes broke the JSON"

# --- files that are not there, are folders, or are damaged: the rest is reported all the same
"$BL" scan --json no.log mail.log >out 2>err
check "missing file" 66 $?
grep -q "no.log" err || fail "the message does not name the file: $(cat err)"
check "missing file: the rest" 10 "$(python3 -c 'import json; print(json.load(open("out"))["lines"])')"
"$BL" scan "$DIR" >out 2>err
check "a folder" 66 $?
check "a folder: no report" "" "$(cat out)"
size=$(wc -c <packed-gz)
head -c $((size - 20)) packed-gz >cut.gz
"$BL" scan --json cut.gz >out 2>err
check "damaged archive" 65 $?
grep -q "cut.gz" err || fail "the message does not name the archive"
python3 -c 'import json; assert json.load(open("out"))["lines"] > 0' || fail "nothing of the damaged archive"
# by magic, not by name: these tools need not be here
printf '\3757zXZ\0 and more\n' >x.log.2.xz
printf 'BZh91AY&SY and more\n' >x.log.1.bz2
cp mail.log x.log
for packed in "x.log.2.xz xz" "x.log.1.bz2 bzip2"; do
    "$BL" scan x.log* >out 2>err
    check "not read: $packed" 65 $?
    grep -q "'${packed% *}' is packed by ${packed#* }, which is not read" err || fail "not said: $packed: $(cat err)"
done
grep -q '^read 1 file, .* 10 lines$' out || { fail "beside what is not read"; cat out; }
"$BL" scan - <x.log.2.xz >out 2>err
check "not read: standard input" 65 $?
cp mail.log x.log.1
"$BL" scan x.log.1 x.log.1.bz2 >out 2>err || fail "plain beside packed by bzip2: exit $?"
: >empty.log
"$BL" scan --json empty.log >out || fail "an empty log: exit $?"
check "an empty log" 0 "$(python3 -c 'import json; print(json.load(open("out"))["lines"])')"

# --- cut while it is read.  Nobody takes the events until it is, so the reader cannot be through before.
for i in $(seq 1 200); do cat rates.log; done >cut.log
size=$(wc -c <cut.log)
for how in cut.log -; do
    cp cut.log whole.log
    { "$BL" scan --events $how <cut.log 2>err; echo $? >code; } |
        { head -c1; truncate -s 1000 cut.log; cat; } >/dev/null
    cp whole.log cut.log
    check "cut while it is read: $how" 66 "$(cat code)"
    missing=$(sed -n "s/.*' was cut while it was read: \([0-9]*\) bytes of it are missing.*/\1/p" err)
    [ "${missing:-0}" -gt 0 ] && [ "$missing" -lt "$size" ] || fail "cut while it is read: $how: $(cat err)"
done
{ read -r _; "$BL" scan --json - >out 2>err; } <mail.log || fail "begun in the middle: exit $?"
check "begun in the middle" "" "$(cat err)"

# --- our own address: Exim's I= counts for more than what a reply quotes, and is told of what went well, too
cat >exim.log <<'END'
2026-11-22 05:05:08 1xUzl6-0000Gh-0d ** a@b.example R=dns T=remote_smtp H=mx.b.example [192.0.2.37]:25 I=[192.0.2.1]:44330: SMTP error from remote mail server after initial connection: 554 5.7.1 your ip 192.0.2.99 is blocked
2026-11-22 05:05:09 1xUzl6-0000Gh-0d => c@b.example R=dns T=remote_smtp H=mx.b.example [192.0.2.37]:25 I=[2001:db8::1]:44330 C="250 ok"
2026-11-22 05:05:10 1xUzl6-0000Gh-0d ** d@b.example R=dns T=remote_smtp H=mx.b.example [192.0.2.37]:25: SMTP error from remote mail server after initial connection: 554 5.7.1 your ip 192.0.2.99 is blocked
END
check "sending_ip" "192.0.2.1 2001:db8::1 192.0.2.99" \
    "$("$BL" scan --events exim.log | grep -o '"sending_ip":"[^"]*"' | cut -d'"' -f4 | paste -sd' ')"

# --- usage, and a reader that leaves
"$BL" scan >/dev/null 2>&1; check "no file" 64 $?
"$BL" scan -j0 x >/dev/null 2>&1; check "no threads" 64 $?
"$BL" scan --nonsense x >/dev/null 2>&1; check "unknown option" 64 $?
"$BL" scan --since lately x >/dev/null 2>&1; check "unknown time" 64 $?
"$BL" scan --help | grep -q 'bounceline scan /var/log' || fail "help without an example"
for i in $(seq 1 60); do cat all.log; done >long.log
{ "$BL" scan --events long.log 2>err; echo $? >code; } | head -1 >/dev/null
check "a broken pipe is quiet" "" "$(cat err)"
check "a broken pipe" 74 "$(cat code)"
"$BL" scan --events long.log >/dev/full 2>err
check "a full disk" 74 $?
grep -q 'cannot write' err || fail "a full disk is not said"

exit $bad
