"""A file through a gateway, and what that took: time, loads, and the gateway's memory."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.client.gateway_process import Gateway
from evals.client.progress import Progress
from experts.errors import ServiceError
from experts.files.jsonl import lines_of, read_text
from orchestrator.cli.batch.remote_batch import Progress as Done
from orchestrator.cli.batch.remote_batch import RemoteBatch

SAMPLED_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Memory:
    """Of the gateway while a batch ran, in MB (MiB)."""

    idle: float
    most: float
    first_third: float
    """The median there; loads of files and code come before its middle."""
    last_third: float


@dataclass(frozen=True, slots=True)
class Served:
    """One batch through the gateway."""

    lines: int
    failed: int
    seconds: float
    """From its making to its end."""
    loads: Mapping[str, int]
    """Engine -> loads meanwhile."""
    memory: Memory
    forecast: Mapping[str, Any]
    """What the gateway predicted, and what it counted."""

    @property
    def lines_per_s(self) -> float:
        """Throughput."""
        return self.lines / self.seconds


async def serve_file(
    gateway: Gateway, idle_mb: float, file: Path, answers: Path, name: str, progress: Progress
) -> Served:
    """Run a batch, and write its answers away. Raises ServiceError."""
    remote = RemoteBatch(gateway.url, None)

    def show(done: Done) -> None:
        progress.doing(f"{name}: {done.words()}", done.completed + done.failed, done.total or None)

    try:
        before = await remote.loads()
        async with sampled(gateway) as samples:
            started = time.perf_counter()
            batch = await remote.followed(await remote.create(file, "/v1/chat/completions"), show)
            seconds = time.perf_counter() - started
        after = await remote.loads()
        if batch["output_file_id"] is None:
            raise ServiceError(f"The batch has no answers: {json.dumps(batch)}")
        await remote.fetch(batch["output_file_id"], answers)
    finally:
        await remote.close()
    counts = batch["request_counts"]
    loads = {name: count - before[name] for name, count in after.items()}
    memory = _memory(idle_mb, samples)
    told = batch.get("coterie") or {}
    return Served(counts["total"], counts["failed"], seconds, loads, memory, told)


def read_answers(file: Path) -> list[dict[str, Any]]:
    """The lines of a batch's output."""
    return [json.loads(line) for _, line in lines_of(read_text(file))]


@asynccontextmanager
async def sampled(gateway: Gateway) -> AsyncIterator[list[float]]:
    """The gateway's memory now and then, as long as the context lasts."""
    samples: list[float] = []

    async def sample() -> None:
        while True:
            samples.append(gateway.memory_mb())
            await asyncio.sleep(SAMPLED_EVERY_S)

    sampling = asyncio.create_task(sample())
    try:
        yield samples
    finally:
        sampling.cancel()
        await asyncio.wait((sampling,))


def _memory(idle: float, samples: Sequence[float]) -> Memory:
    third = max(1, len(samples) // 3)
    first, last = statistics.median(samples[:third]), statistics.median(samples[-third:])
    return Memory(idle, max(samples), first, last)
