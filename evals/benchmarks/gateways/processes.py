"""The processes of the comparison: started, asked until they answer, measured, and ended."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from evals.benchmarks.gateways.fake_engine import MODEL
from evals.benchmarks.gateways.kinds import BARE, Kind, Place
from experts.errors import ServiceError

START_S = 180.0
STOP_S = 20.0
POLL_S = 0.2
SHOWN = 500
MB = 1 << 20
_QUESTION = {"model": MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": "?"}]}


@dataclass(frozen=True, slots=True)
class Running:
    """One that is up."""

    name: str
    url: str
    """Without /v1."""
    pid: int

    def cpu_s(self) -> float:
        """Processor time of it and of the processes that it has started, until now."""
        times = (process.cpu_times() for process in self._processes())
        return sum(one.user + one.system for one in times)

    def memory_mb(self) -> float:
        """Resident now, in MiB, all its processes together."""
        return sum(float(process.memory_info().rss) for process in self._processes()) / MB

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.pid)
        return [first, *first.children(recursive=True)]


@asynccontextmanager
async def fake_engine(folder: Path, gap_ms: float = 0.0) -> AsyncIterator[Running]:
    """The engine that is instant; tokens come `gap_ms` apart."""
    module = ("-m", "evals.benchmarks.gateways.fake_engine", "--gap-ms", str(gap_ms))
    said = folder / "engine.log"
    async with _process(Path(sys.executable), module, {}, said) as process:
        async with asyncio.timeout(START_S):
            while not said.read_text(encoding="utf-8").endswith("\n"):
                _require_alive(process, BARE, said)
                await asyncio.sleep(POLL_S)
        port = int(said.read_text(encoding="utf-8"))
        yield Running(BARE, f"http://127.0.0.1:{port}", process.pid)


@asynccontextmanager
async def gateway(kind: Kind, engine: Running, folder: Path) -> AsyncIterator[Running]:
    """A gateway before that engine; `folder` is there, and is its own.

    Raises ServiceError where it does not begin to answer.
    """
    place = Place(folder, engine.url, free_port(), free_port())
    url = f"http://127.0.0.1:{place.port}"
    said = folder / "said.log"
    own = {"XDG_STATE_HOME": str(folder / "state"), **kind.environment}
    async with _process(kind.program, kind.arguments(place), own, said) as process:
        await _answers(process, kind.name, url, said)
        yield Running(kind.name, url, process.pid)


def free_port() -> int:
    """One that nobody listens on right now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@asynccontextmanager
async def _process(
    program: Path, arguments: tuple[str, ...] | list[str], more: Mapping[str, str], said: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process in a group of its own, whose output goes to a file, as that of a service does."""
    with said.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            str(program),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **more},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        await _ended(process)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End it and whatever it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _answers(process: asyncio.subprocess.Process, name: str, url: str, said: Path) -> None:
    ends = time.monotonic() + START_S
    async with httpx.AsyncClient(trust_env=False, timeout=STOP_S) as client:
        while True:
            with suppress(httpx.TransportError):
                answer = await client.post(f"{url}/v1/chat/completions", json=_QUESTION)
                if answer.is_success:
                    return
            _require_alive(process, name, said)
            if time.monotonic() > ends:
                raise ServiceError(f"{name} did not answer within {START_S:g} s: {_last(said)}")
            await asyncio.sleep(POLL_S)


def _require_alive(process: asyncio.subprocess.Process, name: str, said: Path) -> None:
    if process.returncode is not None:
        raise ServiceError(f"{name} has ended: {_last(said)}")


def _last(said: Path) -> str:
    return said.read_text(encoding="utf-8", errors="replace").strip()[-SHOWN:]
