#!/bin/sh
# Make the virtual environment from the pinned lock. Called by `make`; reads PYTHON, VENV, LOCK, TORCH_INDEX.
set -eu
NAME=setup sh deploy/venv.sh
pip="$VENV/bin/python -m pip -qq --disable-pip-version-check"
extra=${TORCH_INDEX:+--extra-index-url $TORCH_INDEX}

# torch first: whatever depends on it must find this build, not fetch another one.
grep '^torch==' "$LOCK" >"$VENV/torch.txt"
# shellcheck disable=SC2086
$pip install --no-deps $extra -r "$VENV/torch.txt" || {
    echo "setup: $(cat "$VENV/torch.txt") was not found; pass the URL of PyTorch's package index: make setup TORCH_INDEX=URL" >&2
    exit 1
}
echo "setup: torch is in"
# The lock is complete, and leaves out what the engine declares but does not need for text.
$pip install --no-deps -r "$LOCK"
$pip install --no-deps --no-build-isolation -e .
case $LOCK in
*cpu*)
    "$VENV/bin/python" -c 'import ctypes; ctypes.CDLL("libnuma.so.1")' 2>/dev/null ||
        echo "setup: no model will load: the engine for CPUs needs libnuma.so.1 (Debian: apt-get install libnuma1)" >&2
    ;;
esac
echo "setup: done"
