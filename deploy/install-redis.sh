#!/bin/sh
# Debian's redis-server, for the tests that use a real one; skipped where apt is not there.
set -eu
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "redis-server is missing and cannot be installed here: its tests will be skipped" >&2
    exit 0
fi
echo "setup: installing redis-server"
apt-get -qq update && apt-get -qq install -y --no-install-recommends redis-server >/dev/null
