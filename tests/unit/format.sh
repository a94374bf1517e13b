# ctest: label=quick
# Every C file is as clang-format 14, Debian 12's, would write it (.clang-format); other versions write some lines
# differently.  Negative control below: a function's brace on its own line is asked for.
set -u
cd "${BL_SOURCE:-.}" || exit 1
format=$(command -v clang-format-14 || command -v clang-format) || { echo "skipped: no clang-format"; exit 77; }
case $("$format" --version) in
*" version 14."*) ;;
*) echo "skipped: clang-format is not version 14"; exit 77 ;;
esac

printf 'int one(void) {\n    return 1;\n}\n' | "$format" --dry-run -Werror --assume-filename=one.c 2>/dev/null &&
    { echo "the control was not found"; exit 1; }
find core ingest sinks deploy bench tests -name '*.[ch]' -print0 | xargs -0 "$format" --dry-run -Werror
