"""Ends processes by a mark in their environment, which their children inherit."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

MARK = "COTERIE_GPU_CHECK_STEP"
"""The environment variable; Ray and vLLM hand it on to every process that they start."""
PROC = Path("/proc")
PATIENCE_S = 10.0
AGAIN_S = 0.05


def marked(value: str) -> list[int]:
    """The processes of this user that were started with this value of the mark."""
    wanted = f"{MARK}={value}".encode()
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):  # It has ended, or is another user's.
            alive = _state(entry) != "Z"
            if alive and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def kill_session(pid: int) -> None:
    """Kill a process that leads its session, and the children that have not left its group."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def kill_marked(value: str) -> list[int]:
    """Kill them all, also those that left their session or lost their parent; returns the rest.

    A process that hangs in a driver cannot be killed.
    """
    deadline = time.monotonic() + PATIENCE_S
    while (pids := marked(value)) and time.monotonic() < deadline:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(AGAIN_S)
    return pids


def _state(entry: Path) -> str:
    # After the name, which is in brackets and may hold spaces.
    return (entry / "stat").read_text(errors="replace").rpartition(") ")[2][:1]
