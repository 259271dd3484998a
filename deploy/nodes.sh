#!/bin/sh
# A Ray cluster of several machines on this one: each is a network namespace with an address of its
# own, and virtual cables lead from all of them to a switch. Nothing reaches any other network.
# Needs root, and `ip`.
#
#   sh deploy/nodes.sh up              make all: head, worker-1 ..., gateway-1 ..., with Ray on them
#   sh deploy/nodes.sh run HOST ...    run a command on one of them, such as `coterie serve`
#   sh deploy/nodes.sh kill HOST       kill -9 every process there
#   sh deploy/nodes.sh unplug HOST     take its cable out: it falls silent, and goes on
#   sh deploy/nodes.sh plug HOST       put it in again
#   sh deploy/nodes.sh join HOST       start Ray there (again), with the cable in
#   sh deploy/nodes.sh down            end every process on all of them, and remove them
#
# WORKERS (1) and GATEWAYS (0) say how many there are, HEAD_SLOTS (1) and WORKER_SLOTS (1) for how
# many slots of one CPU each has room; ABSENT names hosts that have no Ray before they `join`.
# NODES (coterie) begins their names, PYTHON (.venv/bin/python) has Ray and Coterie, and
# RAY_AUTH_TOKEN is what Ray asks of everybody who joins. The head is 10.77.0.1, workers are
# 10.77.0.11 and on, gateways 10.77.0.21 and on.
set -eu
NODES=${NODES:-coterie} PYTHON=${PYTHON:-.venv/bin/python}
WORKERS=${WORKERS:-1} GATEWAYS=${GATEWAYS:-0} ABSENT=${ABSENT:-}
HEAD_SLOTS=${HEAD_SLOTS:-1} WORKER_SLOTS=${WORKER_SLOTS:-1}
switch=$NODES-switch
folder=/tmp/$NODES-ray # Short, because Ray's sockets lie deep in it.
: "${RAY_AUTH_TOKEN:?Set RAY_AUTH_TOKEN, for example to the output of: openssl rand -hex 32}"
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
# Ray gives a node up after so many checks: a second each where its processes are dead, two where it
# is silent. Its own bounds are a minute.
export RAY_health_check_period_ms=1000 RAY_health_check_timeout_ms=1000
export RAY_health_check_failure_threshold=${RAY_CHECKS:-5}

hosts() { # All of them, the head first.
    echo head
    for number in $(seq 1 "$WORKERS"); do echo "worker-$number"; done
    for number in $(seq 1 "$GATEWAYS"); do echo "gateway-$number"; done
}

address() { # HOST
    case $1 in
    head) echo 10.77.0.1 ;;
    worker-?) echo "10.77.0.1${1#worker-}" ;;
    gateway-?) echo "10.77.0.2${1#gateway-}" ;;
    *) echo "There is no host $1." >&2 && exit 2 ;;
    esac
}

make() { # HOST: a namespace with a cable to the switch
    ip netns add "$NODES-$1"
    ip -n "$NODES-$1" link set lo up
    ip link add eth0 netns "$NODES-$1" type veth peer name "$1" netns "$switch"
    ip -n "$NODES-$1" address add "$(address "$1")/24" dev eth0
    ip -n "$switch" link set "$1" master bridge up
    ip -n "$NODES-$1" link set eth0 up
}

join() { # HOST: Ray runs there
    ip -n "$NODES-$1" link set eth0 up
    case $1 in
    head)
        set -- "$1" "$HEAD_SLOTS" --head --port=6379 --include-dashboard=false \
            ${AUTOSCALER:+--autoscaling-config="$AUTOSCALER"}
        ;;
    worker-*) set -- "$1" "$WORKER_SLOTS" --address="$(address head):6379" ;;
    *) set -- "$1" 0 --address="$(address head):6379" ;;
    esac
    host=$1 slots=$2
    shift 2
    ip netns exec "$NODES-$host" "$PYTHON" -m ray.scripts.scripts start "$@" \
        --node-ip-address="$(address "$host")" --num-cpus="$slots" \
        --object-store-memory=80000000 --temp-dir="$folder/$host" --disable-usage-stats \
        --include-log-monitor=false
}

kill_all() { # HOST: until nothing starts anything any more
    while pids=$(ip netns pids "$NODES-$1" 2>/dev/null) && [ -n "$pids" ]; do
        for pid in $pids; do kill -9 "$pid" 2>/dev/null || true; done
        sleep 0.1
    done
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
up)
    ip netns add "$switch"
    ip -n "$switch" link add bridge type bridge
    ip -n "$switch" link set bridge up
    for host in $(hosts); do make "$host"; done
    join head
    for host in $(hosts); do
        case " head $ABSENT " in
        *" $host "*) ;;
        *) join "$host" ;;
        esac
    done
    ;;
run)
    host=$NODES-$1
    shift
    exec ip netns exec "$host" "$@"
    ;;
join) join "$1" ;;
kill) kill_all "$1" ;;
unplug) ip -n "$NODES-$1" link set eth0 down ;;
plug) ip -n "$NODES-$1" link set eth0 up ;;
down)
    for host in $(hosts | sort -r); do
        kill_all "$host"
        ip netns delete "$NODES-$host" 2>/dev/null || true
    done
    ip netns delete "$switch" 2>/dev/null || true
    rm -rf "$folder"
    ;;
*)
    sed -n '2,22s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
