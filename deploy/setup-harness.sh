#!/bin/sh
# Make an environment of other people's programs, NAME. Called by `make`; reads PYTHON, VENV, LOCK.
# It is apart from the service's: they want other versions of the same packages.
set -eu
sh deploy/venv.sh
"$VENV/bin/python" -m pip -qq --disable-pip-version-check install --no-deps -r "$LOCK"
echo "$NAME: done"
