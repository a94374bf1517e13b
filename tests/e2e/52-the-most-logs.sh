# ctest: label=full timeout=600
# As many logs as are followed at a time, and some more.
exec sh "$(dirname "$0")/51-daemon.sh" "$1" "the most logs"
