#!/bin/sh
# ctest: label=quick timeout=120
# The same lines in every envelope give the same events.
exec python3 "$(dirname "$0")/envelopes.py" "$1/bounceline"
