"""One batch over the real zoo while gateway, slot and Redis are killed in turn: each line once.

`KILL_POINTS=20 pytest tests/e2e/batches/test_batches_killed.py` for more; `KILL_SEED` for others.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
import yaml
from openai import AsyncOpenAI
from redis_process import RedisServer
from repository import ROOT
from service_process import ServedProcess, started

from evals.tasks.task import load_tasks

KILL_POINTS = int(os.environ.get("KILL_POINTS", "3"))
SEED = int(os.environ.get("KILL_SEED", "7"))
LINES_PER_KILL = 60
"""So many are answered between two kills, on average."""
PATIENCE_S = 120 + 60 * KILL_POINTS
MODELS = {
    "arithmetic": ("pool/auto", "pool/vote"),
    "strings": ("strings", "pool/auto"),
    "geography": ("geography", "pool/auto"),
    "cipher": ("cipher", "pool/auto"),
    "units": ("pool/auto", "pool/cascade"),
}
WHAT_VARIES = ("id", "created", "coterie", "system_fingerprint")
ENDED = ("completed", "failed", "expired", "cancelled")

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(PATIENCE_S)]


def lines() -> list[bytes]:
    """Enough of them for every kill, experts and panels in turn."""
    tasks = load_tasks()
    asked = [
        (model, sample)
        for task, models in MODELS.items()
        for number, sample in enumerate(tasks[task].samples("test"))
        for model in [models[number % len(models)]]
    ]
    return [
        json.dumps(
            {
                "custom_id": f"{number} {sample.id}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {
                    "model": model,
                    "messages": [{"role": "user", "content": sample.question}],
                    "max_tokens": 32,
                    "temperature": 0,
                },
            }
        ).encode()
        for number in range(LINES_PER_KILL * (KILL_POINTS + 1))
        for model, sample in [asked[number % len(asked)]]
    ]


def comparable(output: bytes) -> list[bytes]:
    """The lines of an output, without ids and times.

    Nor how many tokens a panel took: calls are aborted once its winner is clear, sooner or later.
    """
    found = []
    for raw in output.splitlines():
        line = json.loads(raw)
        line["id"] = line["response"]["request_id"] = None
        if "panel" in line["response"]["body"]["coterie"]:
            del line["response"]["body"]["usage"]
        for name in WHAT_VARIES:
            line["response"]["body"].pop(name, None)
        found.append(json.dumps(line, sort_keys=True).encode())
    return found


class Site:
    """A gateway with its slot, and Redis, all of which may be killed."""

    def __init__(self, folder: Path, redis: RedisServer) -> None:
        self._folder = folder
        self._redis = redis
        tree = yaml.safe_load((ROOT / "examples" / "zoo.yaml").read_text(encoding="utf-8"))
        anchored = json.dumps(tree).replace('"../', f'"{ROOT}/')
        anchored = anchored.replace('"prompts/', f'"{ROOT}/examples/prompts/')
        self._config = {**json.loads(anchored), "store": redis.url, "batches": {"in_flight": 16}}
        self._gateways = AsyncExitStack()
        self._client: AsyncOpenAI | None = None
        self.served: ServedProcess

    async def start(self) -> None:
        """Start the gateway."""
        self.served = await self._gateways.enter_async_context(started(self._folder, self._config))

    async def stop(self) -> None:
        """End the gateway that is there."""
        await self._gateways.aclose()
        await self._leave()

    async def kill(self, what: str) -> None:
        """As by kill -9, and start it again at once, where nobody else does."""
        if what == "redis":
            self._redis.end()
            self._redis.start()
        elif what == "slot":
            self._slot().kill()
        else:
            self.served.process.kill()
            await self.served.ended()
            await self._leave()
            await self.start()

    async def _leave(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    def is_up(self, what: str) -> bool:
        """Whether there is something to kill."""
        try:
            return what != "slot" or self._slot().is_running()
        except LookupError:
            return False

    def _slot(self) -> psutil.Process:
        for process in psutil.Process(self.served.process.pid).children(recursive=True):
            try:
                if "SlotActor" in " ".join(process.cmdline()):
                    return process
            except psutil.NoSuchProcess:
                continue
        raise LookupError("no slot process")

    async def ask(self, call: Callable[[AsyncOpenAI], Awaitable[Any]]) -> Any:
        """Ask the gateway that is there, until it answers."""
        while True:
            if self._client is None:
                url = await self.served.url()
                self._client = AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
            try:
                return await call(self._client)
            except (openai.InternalServerError, openai.APIConnectionError):
                await asyncio.sleep(0.1)  # The store, or the gateway, is away.


@pytest.fixture
async def site(tmp_path: Path, start_redis: Callable[..., RedisServer]) -> AsyncIterator[Site]:
    made = Site(tmp_path, start_redis(keeps=True))
    await made.start()
    yield made
    await made.stop()


async def begun(site: Site) -> str:
    """The id of a new batch."""
    content = b"\n".join(lines())
    file = await site.ask(lambda c: c.files.create(file=("x.jsonl", content), purpose="batch"))
    batch = await site.ask(
        lambda c: c.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
    )
    return str(batch.id)


async def followed(site: Site, identifier: str, until: float = math.inf) -> Any:
    """The batch, once so many lines are answered, or it has ended."""
    while True:
        batch = await site.ask(lambda c: c.batches.retrieve(identifier))
        if batch.status in ENDED or batch.request_counts.completed >= until:
            return batch
        await asyncio.sleep(0.05)


async def output_of(site: Site, batch: Any) -> bytes:
    """The answers of a batch that has completed, all of its lines."""
    count = LINES_PER_KILL * (KILL_POINTS + 1)
    assert batch.status == "completed"
    counts = {"total": count, "completed": count, "failed": 0}
    assert batch.request_counts.model_dump() == counts
    answer = await site.ask(lambda c: c.files.content(batch.output_file_id))
    return bytes(answer.content)


async def test_every_line_is_answered_once_whatever_is_killed(site: Site) -> None:
    """The output is that of a run that nobody disturbed."""
    dice, count = random.Random(SEED), LINES_PER_KILL * (KILL_POINTS + 1)
    undisturbed = await followed(site, await begun(site))
    wanted = comparable(await output_of(site, undisturbed))
    identifier, killed, began = await begun(site), [], time.monotonic()
    moments = sorted(dice.sample(range(count - 20), KILL_POINTS))
    for number, moment in enumerate(moments):
        batch = await followed(site, identifier, moment)
        what = ("gateway", "slot", "redis")[number % 3]
        while not site.is_up(what):
            await asyncio.sleep(0.1)
        assert batch.status not in ENDED
        await site.kill(what)
        killed.append((what, batch.status, batch.request_counts.completed))
        print(f"{time.monotonic() - began:6.1f} s  killed {killed[-1]}", flush=True)
    batch = await followed(site, identifier)
    output = await output_of(site, batch)
    print(f"{time.monotonic() - began:6.1f} s  {batch.status}, {batch.request_counts}", flush=True)
    ids = [json.loads(line)["custom_id"] for line in output.splitlines()]
    assert ids == [json.loads(line)["custom_id"] for line in lines()]
    found = comparable(output)
    assert [pair for pair in zip(found, wanted, strict=True) if pair[0] != pair[1]] == []
    assert len(killed) == KILL_POINTS
