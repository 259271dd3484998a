"""A service in a process of its own, started as a user does, for tests with another pool."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

START_S = 120
END_S = 60


class ServedProcess:
    """`coterie serve` in a process, with all that it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.printed = ""
        self._reading = asyncio.create_task(self._read())
        self._changed = asyncio.Event()

    async def _read(self) -> None:
        """To the end: else it would stop when the pipe is full."""
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.printed += line.decode()
            self._changed.set()

    async def says(self, words: str, within_s: float = START_S, times: int = 1) -> str:
        """Wait for a line with these words, the first or a later one, and return it."""
        async with asyncio.timeout(within_s):
            while True:
                self._changed.clear()
                found = [line for line in self.printed.splitlines() if words in line]
                if len(found) >= times:
                    return found[times - 1]
                assert not self._reading.done(), f"the server ended:\n{self.printed}"
                changed = asyncio.create_task(self._changed.wait())
                await asyncio.wait((changed, self._reading), return_when="FIRST_COMPLETED")
                changed.cancel()

    async def url(self, within_s: float = START_S) -> str:
        """Where it serves, when it is ready; without /v1."""
        return (
            (await self.says("ready: ", within_s)).split("ready: ")[1].strip().removesuffix("/v1")
        )

    async def ended(self) -> int:
        """Its exit code, when it has ended and all that it printed is there."""
        try:
            async with asyncio.timeout(END_S):
                code = await self.process.wait()
        except TimeoutError:
            self.process.kill()  # The tests that follow need its memory and its cores.
            raise
        await self._reading
        return code


@asynccontextmanager
async def started(
    folder: Path,
    config: dict[str, Any],
    *options: str,
    inside: tuple[str, ...] = (),
    program: tuple[str, ...] = ("-m", "orchestrator"),
    **environment: str,
) -> AsyncIterator[ServedProcess]:
    """Run `coterie serve` on a configuration in `folder`; it is stopped at the end, if need be.

    `inside` is a command that runs it elsewhere, in the same process; `program` is what Python
    runs.
    """
    file = folder / "pool.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *inside, sys.executable, *program, "serve", "-c", str(file), "--port", "0",
        *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder,
        env={**os.environ, **environment},
    )  # fmt: skip
    served = ServedProcess(process)
    try:
        yield served
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await served.ended()


@asynccontextmanager
async def serving(
    folder: Path, config: dict[str, Any]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run `coterie serve` on a configuration in `folder`; its process and its URL, without /v1."""
    async with started(folder, config) as served:
        yield served.process, await served.url()
