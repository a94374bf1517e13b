# ctest: label=quick timeout=300
# The running daemon: SIGHUP under load, what systemd hears, what the log says.
for tool in redis-server redis-cli python3; do
    command -v $tool >/dev/null || { echo "needs $tool"; exit 77; }
done
here=$(dirname "$0")
unset BOUNCELINE_REDIS BOUNCELINE_STATE BOUNCELINE_NODE BOUNCELINE_CONFIG BOUNCELINE_RULES NOTIFY_SOCKET JOURNAL_STREAM
export TZ=UTC LC_ALL=C BOUNCELINE_CONFIG=/dev/null
program=${BL_PROGRAM:-$1/bounceline}
shift
exec python3 "$here/daemon_talk.py" "$program" "$@"
