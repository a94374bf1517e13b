# ctest: label=full timeout=1800
# clang-tidy 14 has nothing to say of the program's own files (.clang-tidy), or a line says why it is wrong there.
# Negative control below: a null pointer that is read through.
set -u
cd "${BL_SOURCE:-.}" || exit 1
tidy=$(command -v clang-tidy-14 || command -v clang-tidy) && clang=$(command -v clang-14 || command -v clang) ||
    { echo "skipped: no clang-tidy"; exit 77; }
case $("$tidy" --version) in
*" version 14."*) ;;
*) echo "skipped: clang-tidy is not version 14"; exit 77 ;;
esac
DIR=$(mktemp -d) || exit 1
trap 'rm -rf "$DIR"' EXIT

printf 'int one(int *p) {\n    return p ? 1 : *p;\n}\n' >"$DIR/one.c"
"$tidy" --quiet --config-file=.clang-tidy "$DIR/one.c" -- >/dev/null 2>&1 && { echo "the control was not found"; exit 1; }

# A build of clang's: it knows neither all of gcc's options nor where generated files are.
cmake -S . -B "$DIR/build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER="$clang" \
    -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >"$DIR/log" 2>&1 && cmake --build "$DIR/build" --target bounceline >>"$DIR/log" 2>&1 ||
    { tail -20 "$DIR/log"; exit 1; }
find core ingest sinks deploy -name '*.c' -print0 |
    xargs -0 -n 8 -P "$(nproc)" "$tidy" --quiet -p "$DIR/build" 2>/dev/null
