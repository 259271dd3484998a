#!/bin/sh
# A gateway in a container of its own, beside a Ray cluster: whoever talks to a cluster needs a node
# of Ray beside it, here one without CPUs and GPUs, on which no slot is placed. RAY_HEAD is the
# head's HOST:PORT, and the pool says `ray: {address: auto, pool: NAME}`. The arguments are those of
# `coterie serve`.
set -eu
: "${RAY_HEAD:?RAY_HEAD must be HOST:PORT of the head of Ray}"
ray start --address="$RAY_HEAD" --num-cpus=0 --num-gpus=0 --object-store-memory=80000000 \
    --disable-usage-stats
# The service gets the signals; the node ends with the container.
exec coterie serve "$@"
