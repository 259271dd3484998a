"""Running the load generator as a process of its own, and telling it what to send."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from experts.errors import ServiceError

# A result is one line with every exchange: far more than asyncio's 64 kB.
LINE_BYTES = 64 << 20


class LoadClient:
    """The load generator's process (`evals.client.load_client`)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, job: Mapping[str, Any], *, forgiving: bool = False) -> dict[str, Any]:
        """Run one job. Raises ServiceError when a request of it failed, unless `forgiving`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line:
            raise ServiceError("The load client ended before its job.")
        result: dict[str, Any] = json.loads(line)
        errors = [e["error"] for e in result.get("exchanges", ()) if e["error"]]
        if "error" in result:
            raise ServiceError(f"The load client cannot connect: {result['error']}")
        if errors and not forgiving:
            raise ServiceError(f"{len(errors)} requests of the benchmark failed: {errors[0]}")
        return result


@asynccontextmanager
async def load_client() -> AsyncIterator[LoadClient]:
    """Start the load generator's process; it ends with the context."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "evals.client.load_client",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    try:
        yield LoadClient(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def target(
    base_url: str, model: str, questions: Sequence[str], *, stream: bool, max_tokens: int
) -> dict[str, Any]:
    """Where the load client sends which bodies, in the form of its jobs."""
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": max_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": stream,
    }
    if stream:
        body["stream_options"] = {"include_usage": True}
    bodies = [
        json.dumps({**body, "messages": [{"role": "user", "content": question}]})
        for question in questions
    ]
    return {"url": f"{base_url}/chat/completions", "bodies": bodies}
