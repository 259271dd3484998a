"""Whether the Ray cluster of a configuration can be joined, and has room for the slots.

Ray is asked in a process of its own, which may hang, print, or be ended by Ray's own libraries.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from orchestrator.cli.doctor.finding import Finding, fault, ok, warning
from orchestrator.config.slots_section import SlotsConfig

PATIENCE_S = 60.0
_PROGRAM = "orchestrator.cli.doctor.join"


@dataclass(frozen=True, slots=True)
class Cluster:
    """What joining it told: its nodes' resources, or why it failed."""

    nodes: tuple[Mapping[str, float], ...] = ()
    trouble: str = ""
    printed: str = ""
    """What Ray itself printed meanwhile."""


def join(address: str) -> Cluster:
    """Join a cluster and leave it again; takes seconds."""
    command = [sys.executable, "-m", _PROGRAM, address]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        printed = error.stderr if isinstance(error.stderr, str) else ""
        return Cluster(trouble=f"no answer within {PATIENCE_S:g} s", printed=printed)
    last = done.stdout.strip().rpartition("\n")[2]
    try:
        told = json.loads(last)
    except ValueError:
        return Cluster(trouble=f"Ray ended with exit code {done.returncode}", printed=done.stderr)
    return Cluster(tuple(told["nodes"]), told["trouble"], done.stderr)


def check_cluster(
    address: str, cluster: Cluster, slots: SlotsConfig, environment: Mapping[str, str] = os.environ
) -> Iterator[Finding]:
    """What follows from it."""
    about = "ray"
    if cluster.trouble:
        yield fault(about, cluster.trouble, _what_to_do(cluster, environment))
        return
    if environment.get("RAY_AUTH_MODE", "").lower() != "token":
        advice = "Start it with RAY_AUTH_MODE=token and RAY_AUTH_TOKEN on every node: whoever"
        advice += " reaches its ports can run code there."
        yield warning("ray token", f"{address} asks for none", advice)
    yield ok(about, f"{address} joined: Ray {version('ray')}, {len(cluster.nodes)} nodes")
    yield check_room(cluster.nodes, slots)


def _what_to_do(cluster: Cluster, environment: Mapping[str, str]) -> str:
    words = f"{cluster.trouble} {cluster.printed}"
    if "Version mismatch" in words:
        return "Install the same lock on every machine of the cluster."
    if "InvalidAuthToken" in words or "authentication" in words.lower():
        return "Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN as on the head."
    if environment.get("RAY_AUTH_MODE", "").lower() == "token":
        return "Is the head up, and the address right? Does it have the same RAY_AUTH_TOKEN?"
    return "Is the head up, is the address right, and does a node of Ray run on this machine?"


def check_room(nodes: tuple[Mapping[str, float], ...], slots: SlotsConfig) -> Finding:
    """Whether as many slots fit onto the nodes as there should be."""
    room = sum(places(node, slots) for node in nodes)
    gpus = slots.gpus or 0
    each = f"{slots.cpus} CPUs" + (f" and {gpus:g} GPUs" if gpus else "")
    found = f"{slots.count} slots of {each}; nodes have room for {room}"
    if room < slots.count:
        advice = "More nodes, `ray start` with more --num-cpus or --num-gpus, or fewer slots."
        return fault("ray room", found, advice)
    return ok("ray room", found)


def places(node: Mapping[str, float], slots: SlotsConfig) -> int:
    """How many slots fit onto one node, by what Ray counts."""
    by_cpu = int(node.get("CPU", 0) // slots.cpus)
    if not slots.gpus:
        return by_cpu
    return min(by_cpu, int(node.get("GPU", 0) // slots.gpus))
