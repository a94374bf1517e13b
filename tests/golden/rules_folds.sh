# ctest: label=quick timeout=120
# The rules in folds of similar replies: a floor under the mean by alternative (rules of whole sentences had 0.48), and at
# most a quarter of the rules decide one reply only (with a rule for each code it was 0.30).
command -v python3 >/dev/null || { echo "needs python3"; exit 77; }
exec python3 "${BL_SOURCE:-.}/tests/golden/rules_folds.py" --build "$1" --floor 0.77 --single 0.25 --confusion
