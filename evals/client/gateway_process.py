"""A gateway in a process of its own, started as a user starts it."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from evals.client.service import without_keys
from experts.errors import ServiceError
from orchestrator.config.model import Config

READY = "ready: "
START_S = 300.0
STOP_S = 60.0
SHOWN = 5
MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway."""

    url: str
    """Without /v1."""
    pid: int

    def memory_mb(self) -> float:
        """Resident now, in MiB; its slots are other processes."""
        return float(psutil.Process(self.pid).memory_info().rss) / MB


@asynccontextmanager
async def gateway(config: Config, folder: Path) -> AsyncIterator[Gateway]:
    """Run `coterie serve` on a configuration, which is written into `folder`.

    Raises ServiceError with its last words where it does not start.
    """
    file = folder / "gateway.yaml"
    tree = without_keys(config).model_dump(mode="json", by_alias=True, exclude_unset=True)
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator", "serve", "--config", str(file)),
        *("--host", "127.0.0.1", "--port", "0", "--strict"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    heard: list[str] = []
    ready = asyncio.Event()
    hearing = asyncio.create_task(_hear(process, heard, ready))
    try:
        async with asyncio.timeout(START_S):
            await ready.wait()
        url = next((line.split(READY)[1] for line in heard if READY in line), None)
        if url is None:
            words = "\n".join(heard[-SHOWN:])
            raise ServiceError(f"The gateway did not start: {words}")
        yield Gateway(url.strip().removesuffix("/v1"), process.pid)
    finally:
        await _stopped(process)
        await hearing


async def _hear(
    process: asyncio.subprocess.Process, heard: list[str], ready: asyncio.Event
) -> None:
    """To the end, else it would stop when the pipe is full; what is kept are the last lines."""
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            heard.append(line.decode(errors="replace"))
            if READY in heard[-1]:
                ready.set()
            elif ready.is_set():
                del heard[:-SHOWN]
    finally:
        ready.set()


async def _stopped(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
