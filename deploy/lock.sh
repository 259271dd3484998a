#!/bin/sh
# Resolve pyproject.toml into deploy/locks/{cpu,cuda}.txt; reads PYTHON and TORCH_INDEX.
set -eu
python=$(NAME=lock sh deploy/python.sh)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -qq install --upgrade pip
for engine in cpu cuda; do
    echo "lock: resolving $engine"
    "$folder/venv/bin/python" deploy/lock.py "$engine" "$folder" ${TORCH_INDEX:+"$TORCH_INDEX"}
done
