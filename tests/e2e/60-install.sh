# ctest: label=quick timeout=120
# What `cmake --install` lays down: every file in its place; the unit is closed well enough; the sample configuration is
# good and names every key, and so does the manual; completion completes.
set -u
BL=${BL_PROGRAM:-$1/bounceline}
SOURCE=${BL_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
DIR=$(mktemp -d) || exit 1
trap 'rm -rf "$DIR"' EXIT
bad=0
fail() { echo "FAILED: $*"; bad=1; }

DESTDIR="$DIR/root" cmake --install "$1" --prefix /usr >"$DIR/log" 2>&1 || { cat "$DIR/log"; exit 1; }
for file in bin/bounceline lib/systemd/system/bounceline.service lib/sysusers.d/bounceline.conf \
    lib/tmpfiles.d/bounceline.conf share/bash-completion/completions/bounceline share/zsh/vendor-completions/_bounceline \
    share/doc/bounceline/copyright; do
    [ -f "$DIR/root/usr/$file" ] || fail "there is no $file"
done

# --- the sample configuration: good as it is, good with every comment taken off, and complete
sample="$SOURCE/deploy/config/bounceline.yaml"
"$BL" check-config -c "$sample" >/dev/null || fail "the sample is no good"
sed -E 's/^#([a-z_]+:)/\1/; s/^# ((url|user|prefix|connect_timeout|command_timeout|retry_max|lease|partitions|profile|first|second|longest|strike_[a-z]+|soft|keys_[a-z_]+|recent|minutes|hours|days): ?)/  \1/; s/^#   ((days|window|spread|suppress_for):)/    \1/; /password_file|^  user:|rules:/d; /^# memory/d' \
    "$sample" >"$DIR/all.yaml"
"$BL" check-config -c "$DIR/all.yaml" >/dev/null || fail "the sample with its comments taken off"
"$BL" check-config --keys | while read -r key _; do
    grep -qE "(^|[ #])${key##*.}:" "$sample" || { echo "the sample lacks $key"; echo >"$DIR/lacks"; }
    grep -qF "*$key*" "$SOURCE/deploy/man/bounceline.yaml.5.scd" || { echo "the manual lacks $key"; echo >"$DIR/lacks"; }
done
[ ! -e "$DIR/lacks" ] || fail "keys that nobody tells of"
"$BL" --commands | while read -r command; do
    grep -qE "^\*$command\*" "$SOURCE/deploy/man/bounceline.1.scd" || { echo "the manual lacks $command"; echo >"$DIR/lacks2"; }
    "$BL" "$command" --help >"$DIR/help" 2>&1 || { echo "$command --help: $?"; echo >"$DIR/lacks2"; }
    head -n 2 "$DIR/help" | grep -q "bounceline $command" || { echo "$command --help does not lead with an example"; echo >"$DIR/lacks2"; }
    "$BL" help "$command" | cmp -s - "$DIR/help" || { echo "help $command is not $command --help"; echo >"$DIR/lacks2"; }
    "$BL" "$command" --hepl >/dev/null 2>"$DIR/err"
    [ $? = 64 ] && grep -q -- "no option --hepl; did you mean --help" "$DIR/err" || { echo "$command --hepl: $(cat "$DIR/err")"; echo >"$DIR/lacks2"; }
done
[ ! -e "$DIR/lacks2" ] || fail "commands"

"$BL" sacn >/dev/null 2>"$DIR/err"; [ $? = 64 ] && grep -q "did you mean 'scan'" "$DIR/err" || fail "sacn: $(cat "$DIR/err")"
"$BL" --verison >/dev/null 2>"$DIR/err"; [ $? = 64 ] && grep -q "did you mean '--version'" "$DIR/err" || fail "--verison: $(cat "$DIR/err")"
"$BL" frobnicate >/dev/null 2>"$DIR/err"; [ $? = 64 ] && grep -q "lists them" "$DIR/err" || fail "frobnicate: $(cat "$DIR/err")"

# --- the unit.  Control: without its hardening it is far above.
if command -v systemd-analyze >/dev/null; then
    exposure() { # in tenths
        systemd-analyze security --offline=yes --no-pager "$1" 2>/dev/null | sed -n 's/.*exposure level for [^:]*: \([0-9]*\)\.\([0-9]\).*/\1\2/p'
    }
    unit="$DIR/root/usr/lib/systemd/system/bounceline.service"
    grep -q '^ExecStart=/.*/bounceline run$' "$unit" || fail "what the unit starts"
    # Else a stop takes the private Redis away before the last batch: ten seconds, and lines to be read again.
    grep -q '^KillMode=mixed$' "$unit" || fail "a stop ends the private Redis first"
    # Else a start that takes long is ended and begun again for ever.
    grep -q '^TimeoutStartSec=infinity$' "$unit" || fail "a start has only so long"
    n=$(exposure "$unit")
    [ -n "$n" ] && [ "$n" -le 15 ] || fail "exposure ${n:-unknown} tenths, more than 15"
    mkdir "$DIR/open"
    grep -vE '^(Protect|Private|Restrict|System|Capability|NoNew)' "$unit" >"$DIR/open/bounceline.service"
    [ "$(exposure "$DIR/open/bounceline.service")" -gt 50 ] || fail "the control: an open unit scores as a closed one"
    mkdir -p "$DIR/verify"
    sed "s|^ExecStart=.*|ExecStart=$BL run|; /^Documentation/d" "$unit" >"$DIR/verify/bounceline.service"
    systemd-analyze verify "$DIR/verify/bounceline.service" >"$DIR/err" 2>&1 || fail "verify: $(cat "$DIR/err")"
    ! grep -q bounceline.service "$DIR/err" || fail "verify: $(cat "$DIR/err")"
fi
if command -v systemd-sysusers >/dev/null; then
    mkdir -p "$DIR/users/etc"
    systemd-sysusers --root="$DIR/users" "$DIR/root/usr/lib/sysusers.d/bounceline.conf" >"$DIR/err" 2>&1 &&
        grep -q '^bounceline:' "$DIR/users/etc/passwd" || fail "sysusers: $(cat "$DIR/err")"
fi

# --- how far a build is: tenths where nobody watches, and a failed one is one
. "$SOURCE/deploy/packages.sh"
got=$(printf '[1/20] a\n[2/20] b\nwarning: x\n[20/20] c\n' | show_progress) || fail "a good build: $?"
[ "$got" = "$(printf '   2 of 20 steps\nwarning: x\n   20 of 20 steps')" ] || fail "progress: $got"
if printf '[1/20] a\nninja: build stopped: subcommand failed.\n' | show_progress >/dev/null; then
    fail "a failed build is a good one"
fi

# --- completion
if command -v bash >/dev/null; then
    bash -c '. "$1"; COMP_WORDS=("$2" cl) COMP_CWORD=1; _bounceline "$2"; [ "${COMPREPLY[*]}" = classify ] || exit 1
             COMP_WORDS=("$2" run --log); COMP_CWORD=2; _bounceline "$2"; [ "${COMPREPLY[*]}" = --log-level ] || exit 2
             COMP_WORDS=("$2" suppress ch); COMP_CWORD=2; COMP_WORDS[1]=suppress; _bounceline "$2"; [ "${COMPREPLY[*]}" = check ] || exit 3' \
        - "$SOURCE/deploy/completions/bounceline.bash" "$BL" || fail "bash completion ($?)"
fi
! command -v zsh >/dev/null || zsh -n "$SOURCE/deploy/completions/_bounceline" || fail "zsh completion"
exit $bad
