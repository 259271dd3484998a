"""Fifty reloads under load: experts come, change and go, and nobody who asks the others notices.

`RELOADS=500` reloads as often.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from openai import AsyncOpenAI, InternalServerError, NotFoundError
from reloading_service import Reloading, hosted

RELOADS = int(os.environ.get("RELOADS", "50"))
CLIENTS = 24
WORD = "wörd"
SEEDED = {"type": "random", "seed": 3}


def tree(random: Random, number: int) -> dict[str, Any]:
    """`a` stays as it is, `b` is another model every time, `c` to `f` come and go."""
    come = [name for name in ("c", "d", "e", "f") if random.random() < 0.5]
    remote = {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "nobody"}
    experts = {
        "a": hosted("org/a"),
        "b": hosted(f"org/b-{number}"),
        **{name: hosted(f"org/{name}-{random.randrange(3)}") for name in come},
        "r": {**remote, "about": f"generation {number}"},
    }
    one_of = {"type": "static", "expert": random.choice(["a", "b"])}
    panel = {"type": "vote", "answer": "text"}
    return {
        "experts": experts,
        "routers": {"fixed": one_of, "drawn": {**SEEDED, "seed": number}},
        "compositions": {
            "pool/auto": {"router": "fixed"},
            "pool/vote": {"router": "fixed", "aggregator": panel, "experts": 1},
        },
        "classes": {f"class-{number}": {"max_wait_s": 5}},
        "server": {"port": 0, "max_in_flight": 1000 + number},
    }


class Client:
    """Asks one thing after the other until it is told to stop."""

    def __init__(self, openai: AsyncOpenAI, random: Random, seen: Counter[str]) -> None:
        self._openai = openai
        self._random = random
        self._seen = seen
        self._ended = False

    def stop(self) -> None:
        self._ended = True

    async def run(self) -> None:
        while not self._ended:
            model = self._random.choice(["a", "b", "pool/auto", "pool/vote", "c", "d", "e", "f"])
            ask: Callable[[str], Any] = self._random.choice([self.whole, self.stream])
            try:
                await ask(model)
                self._seen[model] += 1
            except (NotFoundError, InternalServerError) as error:
                # Only of one that comes and goes may a request be told that it is not there.
                if model not in "cdef" or error.status_code not in (404, 503):
                    raise
                self._seen["gone"] += 1

    async def whole(self, model: str) -> None:
        answer = await self._openai.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "say yes"}]
        )
        assert answer.choices[0].message.content == "yes"

    async def stream(self, model: str) -> None:
        stream = await self._openai.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "stream 20"}], stream=True
        )
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        assert "".join(pieces).count(WORD) == 20


@pytest.mark.slow
async def test_no_request_fails_for_a_reload(served: Reloading) -> None:
    random, seen = Random(7), Counter[str]()
    await served.reloaded(**tree(random, 0))
    clients = [Client(served.openai, Random(n), seen) for n in range(CLIENTS)]
    running = [asyncio.create_task(client.run()) for client in clients]
    for number in range(1, RELOADS + 1):
        asked = seen.total()
        told = await served.reloaded(**tree(random, number))
        assert told["generation"] == number + 2
        while seen.total() < asked + CLIENTS and not any(task.done() for task in running):
            await asyncio.sleep(0)
    for client in clients:
        client.stop()
    await asyncio.gather(*running)
    assert min(seen[model] for model in ("a", "b", "pool/auto", "pool/vote", "gone")) > 0
    page = (await served.http.get("/metrics")).text
    assert f'coterie_reloads_total{{result="applied"}} {RELOADS + 1}.0' in page
    broken = [line for line in page.splitlines() if line.startswith("coterie_broken_streams_total")]
    assert broken == []
    assert (await served.http.get("/coterie/pool")).json()["queued"]["a"] == 0
