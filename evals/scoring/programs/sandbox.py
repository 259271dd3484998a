"""Runs a program and its tests in a confined child process, and says whether all tests passed.

What holds it, on Linux: limits on time, memory, files and disk; a filter of system calls (no
sockets, no other processes, no signals); and, where the system allows them, namespaces of its own,
in which there is no network and every file is read-only but those of a small folder in memory.
Without namespaces no file can be written at all. Files that this user may read can be read.
"""

import base64
import hmac
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evals.scoring.programs.seccomp import machine, seccomp_filter
from experts.errors import ConfigError

CHILD = Path(__file__).with_name("confined.py")
MOST_SAID = 1 << 16
CHALLENGE_BYTES = 32
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
"""Nothing of ours; only that a library for arrays does not reserve memory for each core."""


class Limits(BaseModel):
    """What one program may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float = Field(
        30.0, gt=0, description="Time on the clock, its start included: a machine may be busy."
    )
    cpu_seconds: int = Field(8, ge=1, description="Time of the processor, over all threads.")
    memory_mb: int = Field(1024, ge=64, description="Address space.")
    file_mb: int = Field(4, ge=1, description="One file.")
    disk_mb: int = Field(16, ge=1, description="All its files together, which are in memory.")
    open_files: int = Field(64, ge=8)
    namespaces: bool = Field(
        True, description="Ask for namespaces; false: no file can be written, as where they lack."
    )

    def for_process(self) -> dict[str, int]:
        """The kernel's names and units."""
        return {
            "CPU": self.cpu_seconds,
            "AS": self.memory_mb << 20,
            "FSIZE": self.file_mb << 20,
            "NOFILE": self.open_files,
            "CORE": 0,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended."""

    passed: bool
    why: str
    """What was raised, or how it died; empty where it passed."""
    own_namespaces: bool = False


def run_tests(parts: Sequence[str], limits: Limits) -> Outcome:
    """Run pieces of Python one after the other in one module; they pass where none raises.

    Raises ConfigError on a system that cannot confine a program.
    """
    key, challenge = secrets.token_bytes(CHALLENGE_BYTES), secrets.token_bytes(CHALLENGE_BYTES)
    job = json.dumps(_job(parts, limits) | {"key": key.hex()}).encode()
    said = _said(f"{len(job):012}".encode() + job + challenge, limits.seconds)
    if "refused" in said.start:
        raise ConfigError(
            "This system cannot confine programs, so none is run.",
            problems=(str(said.start["refused"]),),
            hint="Scoring code needs Linux with seccomp.",
        )
    own = said.start.get("own_namespaces") is True
    proof = hmac.digest(key, challenge, "sha256").hex()
    if hmac.compare_digest(str(said.end.get("passed", "")).encode(), proof.encode()):
        return Outcome(True, "", own)
    return Outcome(False, str(said.end.get("raised") or said.ended), own)


def _job(parts: Sequence[str], limits: Limits) -> dict[str, Any]:
    known = machine()
    if known is None:
        raise ConfigError(
            "Programs are run on Linux only, on x86_64 and aarch64: others cannot confine them."
        )
    return {
        "machine": known,
        "parts": list(parts),
        "limits": limits.for_process(),
        "disk_bytes": limits.disk_mb << 20,
        "own_namespaces": limits.namespaces,
        "filters": _filters(known),
    }


@lru_cache(maxsize=2)
def _filters(known: str) -> tuple[str, str]:
    return (
        base64.b64encode(seccomp_filter(known, files=False)).decode(),
        base64.b64encode(seccomp_filter(known, files=True)).decode(),
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """What the child told before the program ran, and after it, and how it ended."""

    start: dict[str, Any]
    end: dict[str, Any]
    ended: str


def _said(job: bytes, seconds: float) -> _Said:
    until = time.monotonic() + seconds
    asked, ask = os.pipe()
    tell, told = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-I", str(CHILD), str(asked), str(told), str(os.getpid())]
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(asked, told),
            start_new_session=True,
        )
        os.close(asked)
        os.close(told)
        try:
            found = _talk(ask, tell, job, until)
        finally:
            os.close(ask)
            os.close(tell)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return found


def _talk(ask: int, tell: int, job: bytes, until: float) -> _Said:
    """Send the job, read what is told; bounded in time and size, whatever the child does."""
    os.set_blocking(ask, False)
    said = bytearray()
    ended = "It did not end in time."
    waiting = [ask]
    while (left := until - time.monotonic()) > 0:
        readable, writable, _ = select.select([tell], waiting, [], left)
        if writable:
            try:
                job = job[os.write(ask, job[: 1 << 16]) :]
            except BrokenPipeError:
                job = b""
            waiting = [ask] if job else []
        if readable:
            piece = os.read(tell, MOST_SAID)
            said += piece
            if not piece or len(said) > MOST_SAID:
                ended = "It ended before its tests did."
                break
    first, _, rest = bytes(said[:MOST_SAID]).partition(b"\n")
    return _Said(_object(first), _object(rest.strip().rpartition(b"\n")[2]), ended)


def _object(line: bytes) -> dict[str, Any]:
    """The program may have written anything."""
    with suppress(ValueError, RecursionError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    return {}
