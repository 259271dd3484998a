#!/bin/sh
# Make an environment of other people's programs, NAME. Called by `make`; reads PYTHON, VENV, LOCK.
# It is apart from the service's: they want other versions of the same packages.
set -eu
python=$PYTHON
command -v "$python" >/dev/null || python=python3
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
    echo "$NAME: Python 3.11 is needed (the lock is pinned for it); set PYTHON=/path/to/python3.11" >&2
    exit 1
}
echo "$NAME: $VENV from $LOCK (a few minutes the first time)"
[ -x "$VENV/bin/python" ] || "$python" -m venv "$VENV"
"$VENV/bin/python" -m pip -qq --disable-pip-version-check install --no-deps -r "$LOCK"
echo "$NAME: done"
