# ctest: label=quick timeout=120
# What `suppress` says of an address whose mail a log tells of: each change in order with its cause, until
# when, what it means and how to undo it; filters; and nothing of a log reaches the terminal raw.
set -u
export TZ=UTC LC_ALL=C
BL=${BL_PROGRAM:-$1/bounceline}
for tool in redis-server python3; do
    command -v "$tool" >/dev/null || { echo "needs $tool"; exit 77; }
done
DIR=$(mktemp -d) || exit 1
SERVER=
trap '[ -z "$SERVER" ] || { kill $SERVER; wait $SERVER; } 2>/dev/null; rm -rf "$DIR"' EXIT
cd "$DIR" || exit 1
unset BOUNCELINE_REDIS BOUNCELINE_NODE
export BOUNCELINE_STATE="$DIR/state" SUDO_USER=anna
bad=0
fail() { echo "FAILED: $*"; bad=1; }
check() { # NAME EXPECTED GOT
    [ "$2" = "$3" ] || { fail "$1"; printf 'expected:\n%s\ngot:\n%s\n' "$2" "$3"; }
}
fields() { # of each line of JSON
    python3 -c 'import json,sys
for l in sys.stdin: j = json.loads(l); print(*(j.get(k, "-") for k in sys.argv[1:]))' "$@"
}

now=$(date +%s)
at() { date -u -d @$((now - $1)) +%Y-%m-%dT%H:%M:%S+00:00; }
line() { # SECONDS-AGO QUEUE-ID RECIPIENT DSN STATUS REPLY
    echo "$(at "$1") mx1 postfix/smtp[1]: $2: to=<$3>, relay=mx.example.org[192.0.2.20]:25, delay=1, delays=0/0/0/1, dsn=$4, status=$5 ($6)"
}
SAID="host mx.example.org[192.0.2.20] said:"
# The daemon folds what comes in one batch, so that the feed has its sum: a batch for each change here.
told() {
    "$BL" run --once mail.log >/dev/null 2>err || { echo "FAILED: run: exit $?"; cat err; exit 1; }
}
line 7200 A1 gone@example.org 5.1.1 bounced "$SAID 550 5.1.1 <gone@example.org>: User unknown (in reply to RCPT TO command)" >mail.log
told
line 7100 A2 gone@example.org 2.0.0 sent "250 ok" >>mail.log
told
{
    line 3600 A3 gone@example.org 5.1.1 bounced "$SAID 550 5.1.1 User unknown; see $(printf '\033[31m')red (in reply to RCPT TO command)"
    line 3000 B1 shut@example.com 5.2.1 bounced "$SAID 550 5.2.1 The email account is disabled (in reply to RCPT TO command)"
    line 3000 B2 list@example.com 5.7.1 bounced "$SAID 554 5.7.1 Your IP is listed on a block list (in reply to RCPT TO command)"
} >>mail.log
told

# --- history: what happened when, by the log's clock, and why
"$BL" suppress history gone@example.org --json >history || fail "history: exit $?"
check "changes in order" "$(at 7200 | cut -c1-19)Z suppress suppressed invalid-recipient
$(at 7100 | cut -c1-19)Z clear clean invalid-recipient
$(at 3600 | cut -c1-19)Z suppress suppressed invalid-recipient" "$(fields time change state category <history)"
check "with the reply" "550 5.1.1 <gone@example.org>: User unknown mx1" "$(head -1 history | fields reply host)"
"$BL" suppress history GONE@example.org >text || fail "history, as text"
check "one line says whose" 1 "$(grep -c '^gone@example.org$' text)"
grep -q "^$(at 3600 | cut -c1-10) .*  suppress  until 2.* UTC  invalid-recipient  " text || { fail "the text"; cat text; }
grep -q 'see \\x1b\[31mred' text || fail "the escape is not shown"
! grep -q "$(printf '\033')" text history || fail "an escape gets through"
"$BL" suppress remove gone@example.org --note 'new server' >said || fail "remove: exit $?"
check "the removal is the last change" "remove clean anna new server" "$("$BL" suppress history gone@example.org --json | tail -1 | fields change state actor note)"
"$BL" suppress history nobody@example.org >out 2>err; check "of nobody" "1 " "$? $(cat out)"
check "of all" "clear gone@example.org
remove gone@example.org
suppress gone@example.org
suppress gone@example.org
suppress shut@example.com" "$("$BL" suppress history --json | fields change address | sort)"
check "of one domain" shut@example.com "$("$BL" suppress history --json --domain Example.COM | fields address)"
check "of one category" shut@example.com "$("$BL" suppress history --json --category inactive-mailbox | fields address)"
check "of the future" "" "$("$BL" suppress history --since "$(at -3600 | cut -c1-19)Z")"

# --- show: why, until when, what ends it, how to undo it
"$BL" suppress show shut@example.com >text || fail "show: exit $?"
for words in '^  state  *suppressed$' 'for [0-9]* [a-z]* more; a delivery before then clears it$' '^  category  *inactive-mailbox$' \
    '^  at fault  *recipient$' '^  reply  *550 5.2.1 The email account is disabled$' '^  rule  ' \
    '^  take it off: bounceline suppress remove shut@example.com$'; do
    grep -q -- "$words" text || { fail "show lacks: $words"; cat text; }
done

# --- remove of one that is only watched: a no, and no change of the verdict.  It once said that it removed it and that
# the next failure suppresses it, exited 0 and wrote a change.
line 2400 C1 full@example.com 5.2.2 bounced "$SAID 552 5.2.2 Mailbox full (in reply to RCPT TO command)" >>mail.log
told
check "a full mailbox is watched" "watch 1" "$("$BL" suppress show --json full@example.com | fields state soft_days)"
"$BL" suppress remove full@example.com >said; check "remove of a watched one" 1 $?
check "what was done" "full@example.com: was not suppressed; temporary failures are counted anew; may be mailed" "$(cat said)"
check "is no probation" "clean - -" "$("$BL" suppress show --json full@example.com | fields state soft_days probation)"
check "is no change" "" "$("$BL" suppress history --json full@example.com 2>/dev/null)"
check "once more, as JSON" "none False" "$("$BL" suppress remove --json full@example.com | fields change suppressed)"

# --- the command that undoes it may be pasted, whatever the address
for odd in "o'brien@example.net" '$(touch${IFS}pwned)@example.net' '-n@example.net'; do
    "$BL" suppress add -- "$odd" >said || fail "add $odd: exit $?"
    undo=$(sed -n 's/.*   undo: bounceline //p' said)
    eval "\"$BL\" $undo" >said || fail "undoing $odd: $undo: $(cat said)"
    "$BL" suppress check -- "$odd" >/dev/null; check "undone: $odd" 1 $?
done
[ ! -e pwned ] || fail "pasting the undo ran a command out of an address"
check "the place is part of it" "suppress remove --state '$DIR/st ate' ana@example.org" \
    "$(BOUNCELINE_STATE='' "$BL" suppress add --state "$DIR/st ate" ana@example.org | sed -n 's/.*   undo: bounceline //p')"

# --- and shows no password: a variable stands for the URL that has one
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
redis-server --bind 127.0.0.1 --port "$PORT" --requirepass sekret --save '' --appendonly no --daemonize no >redis.log 2>&1 &
SERVER=$!
URL="redis://default:sekret@127.0.0.1:$PORT/1"
for _ in $(seq 1 100); do
    "$BL" suppress list --redis "$URL" >said 2>&1 && break
    sleep 0.05
done
for url in "$URL" "redis://:sekret@127.0.0.1:$PORT/1"; do
    "$BL" suppress add --redis "$url" -- -n@example.net >said 2>&1 || fail "add with a password: exit $?: $(cat said)"
    "$BL" suppress show --redis "$url" -- -n@example.net >shown 2>&1 || fail "show with a password: exit $?"
    ! grep -q sekret said shown || fail "the password is shown: $(cat said shown)"
    undo=$(sed -n 's/.*   undo: bounceline //p' said)
    check "show says the same" "$undo" "$(sed -n 's/^  take it off: bounceline //p' shown)"
    check "which server" 1 "$(echo "$undo" | grep -c "  # BOUNCELINE_REDIS: redis://127.0.0.1:$PORT/1 with ")"
    (BOUNCELINE_REDIS=''; eval "\"$BL\" $undo") >said 2>&1; check "pasted without the variable" 64 $?
    (BOUNCELINE_REDIS=$url; eval "\"$BL\" $undo") >said 2>&1 || fail "undoing with a password: $undo: $(cat said)"
    "$BL" suppress check --redis "$url" -- -n@example.net >/dev/null; check "undone, with a password" 1 $?
done
"$BL" suppress add --redis "redis://:wrong@127.0.0.1:$PORT" ana@example.org >said 2>&1; check "a wrong password" 69 $?
! grep -q wrong@ said || fail "the wrong password is shown: $(cat said)"

# --- a state directory that is not there: an error, and not "may be mailed" for everybody; nothing is made
for asks in "suppress check ana@example.org" "suppress list" stats verify; do
    # shellcheck disable=SC2086 # words
    "$BL" $asks --state "$DIR/mistyped" >said 2>&1; check "$asks of a place that is not" 66 $?
    grep -q "nothing was counted in '$DIR/mistyped' yet" said || fail "$asks says: $(cat said)"
done
[ ! -e mistyped ] || fail "asking made a state directory"

# --- several, from standard input, as JSON
check "add, as JSON" "one@example.net add True manual
two@example.net add True manual" "$(printf '# from a file\none@example.net\n\n<two@example.net>\r\n' | "$BL" suppress add --json - | fields address change suppressed state)"
check "remove, as JSON" "one@example.net remove False
two@example.net remove False" "$("$BL" suppress remove --json one@example.net two@example.net | fields address change suppressed)"
check "nothing to do" "one@example.net none False" "$("$BL" suppress remove --json one@example.net | fields address change suppressed)"
# A question about nobody has no answer; check's 0 would be "suppressed".  To add nobody is no error.
for asks in check show history; do
    for nobody in '' '# none today\n\n \r\n'; do
        printf "$nobody" | "$BL" suppress $asks - >out 2>err; check "$asks of nobody" 65 $?
        check "$asks of nobody says" "bounceline: no address in standard input" "$(cat out err)"
    done
done
"$BL" suppress add - </dev/null >out 2>&1 || fail "add of nobody: exit $?"
check "add of nobody says" "" "$(cat out)"

# --- list: only these
printf 'a@x.example\nb@y.example\n' | "$BL" suppress add - >/dev/null
check "by domain" a@x.example "$("$BL" suppress list --json --domain X.example | fields address)"
check "by category" shut@example.com "$("$BL" suppress list --json --category inactive-mailbox | fields address)"
check "by time" "a@x.example
b@y.example" "$("$BL" suppress list --json --since 10m | fields address | sort)"
"$BL" suppress list --category mailbox-fulll >out 2>err; check "a category that is not" 64 $?
grep -q "'mailbox-full' is near" err || fail "no suggestion: $(cat err)"
"$BL" suppress check --since 1h a@x.example >/dev/null 2>&1; check "a filter where it means nothing" 64 $?
"$BL" suppress list --note x >/dev/null 2>&1; check "a note where it means nothing" 64 $?
seq -f 'm%g@z.example' 2500 | "$BL" suppress add - | head -n 1 >/dev/null
check "added, though nobody listens" 2500 "$("$BL" suppress list --domain z.example | wc -l)"
"$BL" suppress history | head -n 1 >/dev/null || fail "a reader that leaves"
exit $bad
