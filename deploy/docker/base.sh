#!/bin/sh
# A base image of Debian's packages alone, for where no registry of images can be reached:
#
#   sh deploy/docker/base.sh                   # makes localhost/coterie-base:bookworm
#   BASE=localhost/coterie-base:bookworm make image
#
# Needs root, mmdebstrap and buildah; reads MIRROR (what /etc/apt/sources.list has, if not given).
set -eu
image=${1:-localhost/coterie-base:bookworm}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# shellcheck disable=SC2086
mmdebstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python-is-python3 \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    bookworm "$folder/root.tar" ${MIRROR:-}
container=$(buildah from scratch)
buildah add --quiet "$container" "$folder/root.tar" /
buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
buildah commit --quiet --rm "$container" "$image"
echo "base: $image"
