#!/bin/sh
# Make the environment VENV if it is not there. Called by the set-up scripts; reads NAME, PYTHON, VENV, LOCK.
set -eu
if [ -x "$VENV/bin/python" ]; then
    echo "$NAME: $LOCK into $VENV, which stays on its Python ($("$VENV/bin/python" -c 'import sys; print(sys.base_prefix)'))"
    exit
fi
python=$(sh deploy/python.sh)
echo "$NAME: $VENV of $python from $LOCK (a few minutes the first time)"
"$python" -m venv "$VENV"
