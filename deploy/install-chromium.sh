#!/bin/sh
# Debian's chromium, for the tests of the console; skipped where apt is not there.
set -eu
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "chromium is missing and cannot be installed here: its tests will be skipped" >&2
    exit 0
fi
echo "setup: installing chromium"
apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium fonts-dejavu-core >/dev/null
