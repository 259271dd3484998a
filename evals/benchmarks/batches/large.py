"""A file as large as a batch may have: until it is accepted, checked and listed, and the memory."""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.benchmarks.batches.served import sampled
from evals.benchmarks.batches.work import URL
from evals.client.gateway_process import MB, Gateway
from evals.client.progress import Progress
from experts.errors import ServiceError
from orchestrator.cli.batch.remote_batch import RemoteBatch

LINES, MEGABYTES = 100_000, 200
LOOKS_EVERY_S = 0.05
PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class Large:
    """What a file took before its first line is asked."""

    lines: int
    mb: float
    seconds: float
    """From the first byte of its upload until it is checked and listed."""
    idle_mb: float
    """Memory of the gateway before, in MB (MiB)."""
    most_mb: float


def write_lines(path: Path, model: str, lines: int = LINES, mb: float = MEGABYTES) -> None:
    """So many lines for one expert, together `mb` MB or a little less, all of one length."""
    text = "x" * (int(mb * MB) // lines - len(_line(0, model, "")))
    with path.open("wb") as file:
        file.writelines(_line(number, model, text) for number in range(lines))


async def large_file(
    gateway: Gateway, model: str, folder: Path, progress: Progress, lines: int = LINES
) -> Large:
    """Upload such a file, make a batch of it, and cancel that once it is checked.

    Raises ServiceError where the gateway refuses, or counts other lines.
    """
    file = folder / "large.jsonl"
    write_lines(file, model, lines, MEGABYTES * lines / LINES)
    progress.doing(f"a file of {file.stat().st_size / MB:.0f} MB")
    idle_mb = gateway.memory_mb()
    remote = RemoteBatch(gateway.url, None)
    try:
        async with sampled(gateway) as samples:
            started = time.perf_counter()
            batch = await _checked(remote, await remote.create(file, URL))
            newest = {"purpose": "batch", "limit": 1}
            [listed] = (await remote.call("GET", "/v1/files", params=newest))["data"]
            seconds = time.perf_counter() - started
        if batch["request_counts"]["total"] != lines or listed["id"] != batch["input_file_id"]:
            raise ServiceError(f"The gateway counts other lines than {lines}: {json.dumps(batch)}")
        await remote.call("POST", f"/v1/batches/{batch['id']}/cancel")
    finally:
        await remote.close()
    most_mb = max([*samples, gateway.memory_mb()])
    return Large(lines, listed["bytes"] / MB, seconds, idle_mb, most_mb)


async def _checked(remote: RemoteBatch, identifier: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            batch = await remote.call("GET", f"/v1/batches/{identifier}")
            if batch["status"] != "validating":
                return batch
            await asyncio.sleep(LOOKS_EVERY_S)


def _line(number: int, model: str, text: str) -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 1}
    line = {"custom_id": f"line-{number:06}", "method": "POST", "url": URL, "body": body}
    return json.dumps(line).encode() + b"\n"
