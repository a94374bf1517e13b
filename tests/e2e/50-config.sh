# ctest: label=quick timeout=300
# Each key of bounceline.yaml changes what the program does: every case runs it without the key and with it, and the
# two must differ as said.  A key that `check-config --keys` lists and no case names fails the test.
for tool in redis-server redis-cli python3; do
    command -v $tool >/dev/null || { echo "needs $tool"; exit 77; }
done
here=$(dirname "$0")
unset BOUNCELINE_REDIS BOUNCELINE_STATE BOUNCELINE_NODE BOUNCELINE_CONFIG
export TZ=UTC LC_ALL=C
exec python3 "$here/config_keys.py" "${BL_PROGRAM:-$1/bounceline}"
