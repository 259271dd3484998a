#!/bin/sh
# Build an image with whichever builder is there, or IMAGE_BUILDER. Called by `make image`; reads
# IMAGE_ENGINE, IMAGE, BASE, TORCH_INDEX, and pip's own PIP_INDEX_URL, PIP_EXTRA_INDEX_URL and
# PIP_TRUSTED_HOST. Arguments go to the builder.
set -eu
cd "$(dirname "$0")/../.."
engine=${IMAGE_ENGINE:-cpu}
[ -f "deploy/locks/$engine.txt" ] || {
    echo "image: IMAGE_ENGINE is cpu or cuda, not $engine" >&2
    exit 2
}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
image=${IMAGE:-coterie:$version-$engine}

set -- "$@" --file deploy/docker/Dockerfile --tag "$image" \
    --build-arg "ENGINE=$engine" --build-arg "VERSION=$version" --build-arg "REVISION=$revision"
for name in BASE TORCH_INDEX PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST; do
    value=$(printenv "$name" || true)
    [ -z "$value" ] || set -- "$@" --build-arg "$name=$value"
done

for builder in ${IMAGE_BUILDER:-docker podman buildah}; do
    case $builder in
    docker) docker info >/dev/null 2>&1 || continue ;; # The client alone builds nothing.
    *) command -v $builder >/dev/null || continue ;;
    esac
    echo "image: $image, by $builder"
    # Docker's own format has health checks; OCI's, the default of the other two, drops them.
    [ $builder = docker ] || set -- "$@" --format docker
    # Else it would make one layer of everything, and every new version a pull of everything.
    [ $builder != buildah ] || set -- "$@" --layers
    exec $builder build "$@" .
done
echo "image: none of docker, podman and buildah is here; buildah is a package of Debian" >&2
exit 1
