# ctest: label=quick
# core knows no I/O: its archive asks the C library for memory, bytes and formatting, for nothing else.
# Negative control: a symbol that is not on the list is found when one is added by hand below.
set -eu
archive="$1/core/libbl_core.a"
allowed='^(bl_.*|malloc|calloc|realloc|free|abort|qsort|bsearch|mem(cpy|move|set|cmp|chr|rchr|mem)|str(n?len|cmp|ncmp|chr)|v?snprintf|__(stack_chk_fail|assert_fail|.*_chk|asan_.*|ubsan_.*|tsan_.*|sanitizer_.*|isoc99_.*|ctype_.*|cpu_model|cpu_indicator_init|popcountdi2|start_.*|stop_.*)|_GLOBAL_OFFSET_TABLE_|XXH.*|idn2_(lookup_u8|free))$'

foreign() {
    nm -u --format=posix "$1" 2>/dev/null | awk 'NF >= 2 && $2 == "U" {print $1}' | sort -u | grep -vE "$allowed" || true
}

# What one object asks for and another of the archive defines is not foreign.
defined=$(mktemp)
trap 'rm -f "$defined"' EXIT
nm --defined-only --format=posix "$archive" 2>/dev/null | awk 'NF >= 2 {print $1}' | sort -u >"$defined"
found=$(foreign "$archive" | comm -23 - "$defined")
if [ -n "$found" ]; then
    echo "core asks for:" $found
    exit 1
fi
control=$(mktemp -d)
trap 'rm -rf "$defined" "$control"' EXIT
echo 'int open(const char *, int, ...); int f(void); int f(void) { return open("x", 0); }' >"$control/x.c"
cc -c "$control/x.c" -o "$control/x.o"
[ "$(foreign "$control/x.o")" = open ] || { echo "the control was not found"; exit 1; }
