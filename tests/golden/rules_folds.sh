# ctest: label=quick timeout=120
# The rules in folds of similar replies: a floor under the mean by alternative.  Rules of whole sentences had 0.48.
command -v python3 >/dev/null || { echo "needs python3"; exit 77; }
exec python3 "${BL_SOURCE:-.}/tests/golden/rules_folds.py" --build "$1" --floor 0.70 --confusion
