"""A file as large as a batch may have: until it is accepted, checked and listed, and the memory."""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from evals.benchmarks.batches.served import sampled
from evals.benchmarks.batches.work import URL
from evals.client.gateway_process import MB, Gateway
from evals.client.progress import Progress
from experts.errors import ServiceError

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
    length = int(mb * MB) // lines
    with path.open("wb") as file:
        for number in range(lines):
            bare = _line(number, model, "")
            file.write(_line(number, model, "x" * (length - len(bare))))


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
    async with (
        httpx.AsyncClient(
            base_url=f"{gateway.url}/v1", timeout=PATIENCE_S, trust_env=False
        ) as http,
        sampled(gateway) as samples,
    ):
        started = time.perf_counter()
        with file.open("rb") as opened:
            sent = {"file": (file.name, opened)}
            uploaded = await _call(http, "POST", "files", data={"purpose": "batch"}, files=sent)
        asked = {"input_file_id": uploaded["id"], "endpoint": URL, "completion_window": "24h"}
        batch = await _checked(http, await _call(http, "POST", "batches", json=asked))
        listed = await _call(http, "GET", "files", params={"purpose": "batch", "limit": 1})
        seconds = time.perf_counter() - started
        if batch["request_counts"]["total"] != lines or listed["data"][0]["id"] != uploaded["id"]:
            raise ServiceError(f"The gateway counts other lines than {lines}: {json.dumps(batch)}")
        await _call(http, "POST", f"batches/{batch['id']}/cancel")
    mb = uploaded["bytes"] / MB
    return Large(lines, mb, seconds, idle_mb, max([*samples, gateway.memory_mb()]))


async def _checked(http: httpx.AsyncClient, batch: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while batch["status"] == "validating":
            await asyncio.sleep(LOOKS_EVERY_S)
            batch = await _call(http, "GET", f"batches/{batch['id']}")
    return batch


async def _call(http: httpx.AsyncClient, method: str, path: str, **parts: Any) -> dict[str, Any]:
    answer = await http.request(method, path, **parts)
    if answer.status_code >= httpx.codes.BAD_REQUEST:
        raise ServiceError(f"{method} {path} answered {answer.status_code}: {answer.text}")
    return dict(answer.json())


def _line(number: int, model: str, text: str) -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 1}
    line = {"custom_id": f"line-{number:06}", "method": "POST", "url": URL, "body": body}
    return json.dumps(line).encode() + b"\n"
