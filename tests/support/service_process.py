"""A service in a process of its own, started as a user does, for tests with another pool."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

START_S = 120
END_S = 60


@asynccontextmanager
async def serving(
    folder: Path, config: dict[str, Any]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run `coterie serve` on a configuration in `folder`; its process and its URL, without /v1."""
    file = folder / "pool.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator", "serve", "-c", str(file), "--port", "0",
        stdout=asyncio.subprocess.PIPE, cwd=folder,
    )  # fmt: skip
    assert process.stdout is not None
    drain: asyncio.Task[bytes] | None = None
    try:
        line = ""
        async with asyncio.timeout(START_S):
            while "ready: " not in line:
                line = (await process.stdout.readline()).decode()
                assert line, "the server ended"
        # Else it would stop when the pipe is full.
        drain = asyncio.create_task(process.stdout.read())
        yield process, line.split("ready: ")[1].strip().removesuffix("/v1")
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), END_S)
        if drain is not None:
            await drain
