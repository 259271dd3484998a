"""A Ray cluster of network namespaces of this machine, made by the script that users have."""

import _socket
import ctypes
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import AddrInfoType
from repository import ROOT

SCRIPT = ROOT / "deploy" / "nodes.sh"
HEAD = "10.77.0.1"
ADDRESS = f"{HEAD}:6379"
SHELL = "/bin/sh"
STEP_S = 240
_NAMESPACES = Path("/run/netns")
_OWN = Path("/proc/thread-self/ns/net")
_NETWORK = 0x40000000
"""CLONE_NEWNET."""


def worker(number: int) -> str:
    """The address of a worker node; the first is 1."""
    return f"10.77.0.1{number}"


def gateway(number: int) -> str:
    """The address of a gateway's node."""
    return f"10.77.0.2{number}"


class _Inside(socket.socket):
    """Connects where tests may not: its network is of this machine alone."""

    def connect(self, address: Any) -> None:
        _socket.socket.connect(self, address)


class Nodes:
    """All of them; what is done to them is done when a call returns."""

    def __init__(self, **settings: str) -> None:
        """`settings` are variables of the script."""
        self._name = f"c{os.getpid()}"
        self.environment = {
            "NODES": self._name,
            "PYTHON": sys.executable,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            **settings,
        }

    def inside(self, host: str = "head") -> tuple[str, ...]:
        """What a command begins with that runs there."""
        return SHELL, str(SCRIPT), "run", host

    def do(self, *command: str) -> None:
        """One of the script's commands."""
        done = subprocess.run(
            [SHELL, str(SCRIPT), *command],
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_S,
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout}"

    def socket_at(self, host: str, address: AddrInfoType) -> socket.socket:
        """A socket of that host, for whoever connects from there without being there."""
        with _OWN.open() as own, (_NAMESPACES / f"{self._name}-{host}").open() as other:
            _enter(other.fileno())
            try:
                return _Inside(*address[:3])
            finally:
                _enter(own.fileno())


def _enter(namespace: int) -> None:
    """This thread's sockets are made there from now on."""
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def why_not() -> str | None:
    """What keeps this machine from having such nodes; None where nothing does."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    ip = shutil.which("ip")
    if ip is None:
        return "network namespaces need `ip` (iproute2)"
    name = f"c{os.getpid()}-probe"
    made = subprocess.run([ip, "netns", "add", name], capture_output=True, text=True)
    if made.returncode != 0:
        return f"no network namespace can be made here: {made.stderr.strip()}"
    try:
        bridge = [ip, "-n", name, "link", "add", "bridge", "type", "bridge"]
        made = subprocess.run(bridge, capture_output=True, text=True)
    finally:
        subprocess.run([ip, "netns", "delete", name], check=True)
    if made.returncode != 0:
        return f"no bridge can be made here: {made.stderr.strip()}"
    return None


@contextmanager
def made_nodes(**settings: str) -> Iterator[Nodes]:
    """All with Ray on them; skips the test where they cannot be. Nothing is left of them."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    nodes = Nodes(**settings)
    try:
        nodes.do("up")
        yield nodes
    finally:
        nodes.do("down")
