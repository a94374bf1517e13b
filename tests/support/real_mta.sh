# Sourced by the tests in which a real mail server sends to smtp_sink.py (e2e/40-real-postfix.sh, 41-real-exim.sh).
# In a network of its own 192.0.2.10 is "elsewhere"; what goes to loopback is relayed, not delivered.
export TZ=UTC LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
SUPPORT=$HERE/../support
sink='' daemon=''

fail() { echo "FAILED: $*"; exit 1; }

# own_network NAMESPACES ARGUMENTS OF THE TEST...: begins the test again in namespaces of its own
own_network() {
    namespaces=$1
    shift
    [ "$(id -u)" = 0 ] || { echo "needs root: the mail server changes users"; exit 77; }
    if [ -z "${BL_OWN_NETWORK:-}" ]; then
        unshare "$namespaces" true 2>/dev/null || { echo "needs namespaces"; exit 77; }
        BL_OWN_NETWORK=1 exec unshare "$namespaces" sh "$0" "$@"
    fi
    ip link set lo up && ip addr add 192.0.2.10/32 dev lo || exit 1
}

# A folder that goes with the test; stop_server is the test's.
enter_folder() {
    DIR=$(mktemp -d) || exit 1
    chmod 755 "$DIR"
    trap 'stop_server; for pid in $sink $daemon; do kill "$pid" 2>/dev/null; done; wait; rm -rf "$DIR"' EXIT
    cd "$DIR" || exit 1
    unset BOUNCELINE_REDIS BOUNCELINE_NODE
    export BOUNCELINE_STATE="$DIR/state"
}

start_sink() {
    python3 "$SUPPORT/smtp_sink.py" 192.0.2.10:2525 answers 127.0.0.1:10025 127.0.0.1:2526 2>sink.err &
    sink=$!
}

# start_daemon LOG
start_daemon() {
    log=$1
    "$BL" run "$log" 2>run.err &
    daemon=$!
}

# Three waves of mail, a rotation behind each; then until `queued` says that the queue has run dry.
send_waves() {
    : >refused
    for wave in 1 2 3; do
        python3 "$SUPPORT/mail_truth.py" send 127.0.0.1:2526 127.0.0.1:2527 $wave >>refused || fail "sending wave $wave"
        sleep 2
        logrotate --state rotate.state rotate.conf || fail "logrotate"
    done
    for _ in $(seq 120); do
        [ "$(queued)" = 0 ] && return
        sleep 0.5
    done
    fail "the queue does not run dry: $(queued) left"
}

count_packed() { for file in log/*.gz; do [ -e "$file" ] && zcat "$file"; done | wc -l; }

# Until the daemon has counted every line; then it ends.
finish_daemon() {
    for _ in $(seq 60); do
        written=$(($(cat "$log" "$log".[0-9] 2>/dev/null | wc -l) + $(count_packed)))
        counted=$("$BL" stats --json 2>/dev/null | python3 -c 'import json,sys; print(json.load(sys.stdin)["lines"])')
        [ "$written" = "$counted" ] && break
        sleep 0.5
    done
    [ "$written" = "$counted" ] || { cat run.err; ls -l log; fail "$counted of $written lines counted"; }
    kill $daemon
    wait $daemon || { cat run.err; fail "run ended with $?"; }
    daemon=
    [ ! -s sink.err ] || { cat sink.err; fail "the sink stumbled"; }
}

# Recipient by recipient.
compare() {
    "$BL" stats --json >stats.json && "$BL" suppress list --json >list.json && "$BL" verify || fail "stats, list, verify"
    python3 "$SUPPORT/mail_truth.py" compare answers refused stats.json list.json || fail "they differ"
    echo "$written lines in $(ls log | wc -l) files"
}
