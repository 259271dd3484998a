#!/bin/sh
# A Ray cluster of two nodes on this one machine: each is a network namespace with an address of its
# own, and a pair of virtual cables joins the two. Nothing reaches any other network. Needs root.
#
#   sh deploy/two_nodes.sh up         make both, Ray's head in the first, a worker node in the second
#   sh deploy/two_nodes.sh run ...    run a command on the head's node, such as `coterie serve`
#   sh deploy/two_nodes.sh kill       kill -9 every process of the worker node
#   sh deploy/two_nodes.sh unplug     take the worker node's cable out: it falls silent
#   sh deploy/two_nodes.sh join       start Ray on the worker node (again), with the cable in
#   sh deploy/two_nodes.sh down       end every process of both nodes, and remove them
#
# NODES (coterie) begins their names, PYTHON (.venv/bin/python) has Ray and Coterie, and
# RAY_AUTH_TOKEN is what Ray asks of everybody who joins.
set -eu
NODES=${NODES:-coterie}
PYTHON=${PYTHON:-.venv/bin/python}
head=$NODES-head worker=$NODES-worker
head_ip=10.77.0.1 worker_ip=10.77.0.2
folder=/tmp/$NODES-ray # Short, because Ray's sockets lie deep in it.
: "${RAY_AUTH_TOKEN:?Set RAY_AUTH_TOKEN, for example to the output of: openssl rand -hex 32}"
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
# Ray gives a node up after five seconds without a sign of life; its own bounds are up to a minute.
export RAY_health_check_period_ms=1000 RAY_health_check_timeout_ms=1000
export RAY_health_check_failure_threshold=5

start() { # NAMESPACE ADDRESS OPTIONS: one slot has room there
    where=$1 address=$2
    shift 2
    ip netns exec "$where" "$PYTHON" -m ray.scripts.scripts start "$@" \
        --node-ip-address="$address" --num-cpus=1 --object-store-memory=80000000 \
        --temp-dir="$folder/$where" --disable-usage-stats
}

kill_all() { # NAMESPACE: until nothing starts anything any more
    while pids=$(ip netns pids "$1" 2>/dev/null) && [ -n "$pids" ]; do
        for pid in $pids; do kill -9 "$pid" 2>/dev/null || true; done
        sleep 0.1
    done
}

join() {
    ip -n "$worker" link set eth0 up
    start "$worker" "$worker_ip" --address="$head_ip:6379"
}

case ${1:-} in
up)
    for one in "$head" "$worker"; do
        ip netns add "$one"
        ip -n "$one" link set lo up
    done
    ip link add eth0 netns "$head" type veth peer name eth0 netns "$worker"
    ip -n "$head" address add "$head_ip/24" dev eth0
    ip -n "$worker" address add "$worker_ip/24" dev eth0
    ip -n "$head" link set eth0 up
    start "$head" "$head_ip" --head --port=6379 --include-dashboard=false
    join
    ;;
run)
    shift
    exec ip netns exec "$head" "$@"
    ;;
join) join ;;
kill) kill_all "$worker" ;;
unplug) ip -n "$worker" link set eth0 down ;;
down)
    for one in "$worker" "$head"; do
        kill_all "$one"
        ip netns delete "$one" 2>/dev/null || true
    done
    rm -rf "$folder"
    ;;
*)
    sed -n '2,14s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
