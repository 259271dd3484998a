"""Under load, somebody kills what there is every few seconds: who retries is always answered.

`FAULT_SECONDS=300 pytest tests/e2e/gateways/test_faults.py -s` for longer; `FAULT_SEED` for others.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
from openai import AsyncOpenAI
from redis_process import RedisServer
from repository import ROOT
from service_process import ServedProcess, started

SECONDS = float(os.environ.get("FAULT_SECONDS", "12"))
SEED = int(os.environ.get("FAULT_SEED", "3"))
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(SECONDS + 300)]

EXPERTS = ("arithmetic", "geography", "units")
CLIENTS = 12
PAUSE_S = (3.0, 8.0)
"""Between two kills. A slot needs twenty seconds until it is back."""
VICTIMS = ("ControllerActor", "spawn_main", "redis", "SlotActor", "spawn_main")
RETRIES = 40
"""With the client's own pauses, these bridge a minute."""


@pytest.fixture
async def redis(start_redis: Callable[..., RedisServer]) -> RedisServer:
    return start_redis(keeps=True)


@pytest.fixture
async def served(tmp_path: Path, redis: RedisServer) -> AsyncIterator[ServedProcess]:
    experts = {
        name: {"type": "vllm", "model": str(ROOT / f"experts/zoo/weights/{name}"), "memory_gb": 1.5}
        for name in EXPERTS
    }
    slots = {
        "count": 1,
        "memory_gb": 4.0,
        "engine_args": {"dtype": "float32", "max_model_len": 256},
    }
    config: dict[str, Any] = {"experts": experts, "slots": slots, "store": redis.url}
    async with started(tmp_path, config, "--workers", "2") as service:
        yield service


class Load:
    """Clients that ask one request after the other until it is enough, and what they got."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = asyncio.Event()
        self.sent: Counter[str] = Counter()
        self.got: Counter[str] = Counter()
        self.wrong: list[str] = []

    def enough(self) -> None:
        self._over.set()

    async def client(self, number: int) -> None:
        dice = random.Random(number)
        streams = number % 2 == 0
        kind = "stream" if streams else "whole"
        async with AsyncOpenAI(
            base_url=f"{self._url}/v1", api_key="none", max_retries=RETRIES, timeout=120
        ) as client:
            while not self._over.is_set():
                self.sent[kind] += 1
                one = self._stream if streams else self._whole
                try:
                    how = await one(client, dice)
                except openai.OpenAIError as error:
                    how = f"failed: {error!r}"
                    self.wrong.append(how)
                self.got[f"{kind} {how.partition(':')[0]}"] += 1

    async def _whole(self, client: AsyncOpenAI, dice: random.Random) -> str:
        answer = await client.chat.completions.create(**_question(dice))
        return "answered" if answer.choices[0].finish_reason else "cut"

    async def _stream(self, client: AsyncOpenAI, dice: random.Random) -> str:
        """A stream that has begun is not asked for again: it is complete, or says that it broke."""
        finished = False
        stream = await client.chat.completions.create(**_question(dice), stream=True)
        try:
            async for chunk in stream:
                finished = finished or any(choice.finish_reason for choice in chunk.choices)
        except openai.APIConnectionError:
            return "torn off by its gateway's death"
        except openai.APIError:
            return "ended with an error event"
        except Exception as error:
            # The SDK hands on what its HTTP library says of a connection that is gone.
            if type(error).__module__.startswith("httpx"):
                return "torn off by its gateway's death"
            raise
        return "answered" if finished else "cut"


def _question(dice: random.Random) -> dict[str, Any]:
    text = f"What is {dice.randrange(100)} + {dice.randrange(100)}?"
    return {
        "model": dice.choice(EXPERTS),
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 8,
        "temperature": 0,
    }


def _kill(served: ServedProcess, redis: RedisServer, victim: str) -> bool:
    """End it as kill -9 does; whether it was there."""
    if victim == "redis":
        redis.end()
        redis.start()
        return True
    for process in psutil.Process(served.process.pid).children(recursive=True):
        try:
            if victim in " ".join(process.cmdline()):
                process.send_signal(signal.SIGKILL)
                return True
        except psutil.NoSuchProcess:
            continue
    return False


async def test_whoever_retries_is_answered(served: ServedProcess, redis: RedisServer) -> None:
    load, dice = Load(await served.url()), random.Random(SEED)
    asking = [asyncio.create_task(load.client(number)) for number in range(CLIENTS)]
    began, killed = time.monotonic(), Counter[str]()
    while time.monotonic() - began < SECONDS:
        await asyncio.sleep(dice.uniform(*PAUSE_S))
        victim = VICTIMS[killed.total() % len(VICTIMS)]
        killed[victim] += _kill(served, redis, victim)
        print(f"{time.monotonic() - began:6.1f} s  killed {victim}; {dict(load.got)}", flush=True)
    load.enough()
    await asyncio.gather(*asking)
    print(dict(killed), dict(load.sent), dict(load.got), load.wrong[:3], flush=True)
    assert load.wrong == []
    assert load.got["whole answered"] == load.sent["whole"] > 0
    streams = {name: n for name, n in load.got.items() if name.startswith("stream")}
    assert sum(streams.values()) == load.sent["stream"]
    assert load.got["stream cut"] == 0
    torn = load.got["stream torn off by its gateway's death"]
    assert torn <= killed["spawn_main"] * CLIENTS
    assert killed.total() >= 2
