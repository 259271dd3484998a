#!/bin/sh
# Write the secrets of compose.yaml to `.env` beside it, unless they are there: random, readable by
# you alone, and ignored by git. `env.example` says what each is for.
set -eu
cd "$(dirname "$0")"
file=${1:-.env}
if [ -e "$file" ]; then
    echo "secrets: $file is there, and stays as it is" >&2
    exit 0
fi
umask 077
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
while IFS= read -r line; do
    case $line in
    *=generated) echo "${line%=*}=$(random)" ;;
    *) echo "$line" ;;
    esac
done <env.example >"$file.new"
mv "$file.new" "$file"
echo "secrets: wrote deploy/compose/$file" >&2
