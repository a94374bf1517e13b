# ctest: label=quick
# The file maps tell the truth: every file of core, ingest, sinks, deploy and bench stands in the first column of a table
# in a README.md of its folder or of one above, and every file that stands there exists.  A header stands there by its
# .c's name, a folder that needs no more (`man/`) by its own, unless it has a README.md.
# Negative controls are run below: a file that no map names, and a name without a file.
set -u
cd "${BL_SOURCE:-.}" || exit 1
DIR=$(mktemp -d) || exit 1
trap 'rm -rf "$DIR"' EXIT

column() { # README: the first column of its tables
    sed -n 's/^|\([^|]*\)|.*/ \1 /p' "$1" | tr '`,()' '    '
}

is_named() { # FILE TOP: by itself, by its folder, or with *
    name=${1##*/} folder=${1%/*}
    stem=${name%.*}
    while :; do
        if [ -f "$folder/README.md" ]; then
            inner=${1#"$folder"/}
            inner=${inner%/*}
            for word in $(column "$folder/README.md"); do
                last=${word##*/}
                case $word in
                "$inner"/ | "${inner%%/*}"/) [ -f "$folder/${word%/}/README.md" ] || return 0 ;;
                esac
                case $last in
                "$name" | "$stem" | "$stem."*) return 0 ;;
                *\**) case $name in $last) return 0 ;; esac ;;
                esac
            done
        fi
        [ "$folder" = "$2" ] && return 1
        folder=${folder%/*}
    done
}

unnamed() { # TOP
    find "$1" -type f ! -name README.md ! -name CMakeLists.txt ! -path '*/__pycache__/*' | sort | while read -r file; do
        is_named "$file" "$1" || echo "no README.md names $file"
    done
}

missing() { # README
    for word in $(column "$1"); do
        case $word in
        *\**) continue ;;
        *.c | *.h | *.sh | *.py | *.lua | *.tsv | *.rules | *.yaml | *.scd | *.cmake) one=${word##*/} ;;
        *.\[ch\]) one=${word##*/} one=${one%.*}.h ;;
        *) continue ;;
        esac
        case $one in .rules) continue ;; esac # the ending of the names before it
        [ -n "$(find "${1%/*}" -name "$one" | head -1)" ] || echo "$1 names $word, which is not there"
    done
}

set -f # words of the maps are not patterns for the shell
for top in core ingest sinks deploy bench; do
    unnamed "$top"
    find "$top" -name README.md | while read -r readme; do missing "$readme"; done
done >"$DIR/found"
cat "$DIR/found"

mkdir -p "$DIR/x/y" && : >"$DIR/x/y/strange.c" && : >"$DIR/x/known.c"
echo '| `known.c`, `gone.c` | what |' >"$DIR/x/README.md"
[ "$(cd "$DIR" && unnamed x)" = "no README.md names x/y/strange.c" ] || { echo "the unnamed control was not found"; exit 1; }
[ "$(cd "$DIR" && missing x/README.md)" = "x/README.md names gone.c, which is not there" ] ||
    { echo "the missing control was not found"; exit 1; }
[ ! -s "$DIR/found" ]
