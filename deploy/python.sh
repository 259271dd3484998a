#!/bin/sh
# Print the Python 3.11 that environments are made of: PYTHON where that is set, else the best of
# the candidates, which are names on the PATH or paths:
#
#   sh deploy/python.sh [CANDIDATE...]
#
# The first that lacks nothing; else the first without optimizations, then without headers. What
# one lacks is told by orchestrator/cli/doctor/interpreter.py. NAME begins the lines on stderr.
set -eu
folder=$(dirname "$0")
cost="the gateway takes about 1.4 times the processor time"

say() {
    echo "${NAME:-python}: $*" >&2
}

lacks() {
    "$1" -I "$folder/../orchestrator/cli/doctor/interpreter.py" 2>/dev/null || echo broken
}

why_not() {
    case $1 in
    *broken*) echo "does not run" ;;
    *version*) echo "is not Python 3.11" ;;
    *venv*) echo "cannot make environments (venv or ensurepip is missing)" ;;
    *headers*) echo "has no Python.h, which the engine's compilers need" ;;
    *) echo "was built without optimizations, and $cost on it" ;;
    esac
}

needs() {
    say "Python 3.11 is needed (the lock is pinned for it)$1; set PYTHON=/path/to/python3.11"
    exit 1
}

if [ -n "${PYTHON:-}" ]; then
    case $(lacks "$PYTHON") in
    *broken* | *version*) needs ", and PYTHON=$PYTHON is none" ;;
    esac
    echo "$PYTHON"
    exit
fi

[ $# -gt 0 ] || set -- python3.11 /usr/bin/python3.11 /usr/local/bin/python3.11 python3
found=$(for candidate in "$@"; do
    path=$(command -v "$candidate") || continue
    echo "$path|$(lacks "$path")"
done)
first=${found%%|*}
first_lacks=$(echo "$found" | sed -n '1s/^[^|]*|//p')

take() {
    [ "$1" = "$first" ] || say "$1 is taken: $first $(why_not "$first_lacks")"
    case $2 in
    *headers*) say "$1 $(why_not headers): install it (Debian: python3.11-dev)" ;;
    esac
    case $2 in
    *optimizations*)
        say "$1 $(why_not optimizations); better:" \
            "install Debian's python3.11, python3.11-venv and python3.11-dev, or build one with" \
            "PYTHON_CONFIGURE_OPTS='--enable-optimizations --with-lto' (pyenv)"
        ;;
    esac
    echo "$1"
    exit
}

for may_lack in "" optimizations headers "headers optimizations"; do
    while IFS='|' read -r path lacks; do
        [ "$lacks" != "$may_lack" ] || [ -z "$path" ] || take "$path" "$lacks"
    done <<END
$found
END
done
case $found in
*"|venv"*) needs " with venv and ensurepip (Debian: python3.11-venv)" ;;
*) needs "" ;;
esac
