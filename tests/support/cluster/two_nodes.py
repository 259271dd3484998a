"""A Ray cluster of two network namespaces of this machine, made by the script that users have."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from repository import ROOT

SCRIPT = ROOT / "deploy" / "two_nodes.sh"
HEAD, WORKER = "10.77.0.1", "10.77.0.2"
ADDRESS = f"{HEAD}:6379"
SHELL = "/bin/sh"
STEP_S = 90


class TwoNodes:
    """Both nodes, each with room for one slot; what is done to them is done when a call returns."""

    def __init__(self) -> None:
        self.environment = {
            "NODES": f"c{os.getpid()}",
            "PYTHON": sys.executable,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
        }
        self.inside = (SHELL, str(SCRIPT), "run")
        """What a command begins with that runs on the head's node."""

    def do(self, what: str) -> None:
        """One of the script's commands."""
        done = subprocess.run(
            [SHELL, str(SCRIPT), what],
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_S,
        )
        assert done.returncode == 0, f"{what}:\n{done.stdout}"


def why_not() -> str | None:
    """What keeps this machine from having two nodes; None where nothing does."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    ip = shutil.which("ip")
    if ip is None:
        return "network namespaces need `ip` (iproute2)"
    name = f"c{os.getpid()}-probe"
    made = subprocess.run([ip, "netns", "add", name], capture_output=True, text=True)
    if made.returncode != 0:
        return f"no network namespace can be made here: {made.stderr.strip()}"
    subprocess.run([ip, "netns", "delete", name], check=True)
    return None


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """Both nodes with Ray on them; skips the test where they cannot be. Nothing is left of them."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    nodes = TwoNodes()
    try:
        nodes.do("up")
        yield nodes
    finally:
        nodes.do("down")
