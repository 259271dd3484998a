"""Any mixture of failures: every request is answered or told why not, and all counts agree."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from routers.base import Decision

EXPERTS = ("a", "b", "c", "d")
MODELS = ("pool/auto", "pool/vote", *EXPERTS)
WAYS = (*["say 4"] * 8, "drop", "refuse broken", "refuse coded", "event nonsense", "cut")
REFUSED_HERE = ("expert_paused", "expert_overloaded")
"""What a call ends with of which the expert's server knows nothing."""


class Shuffled:
    """Ranks the experts in another order each time."""

    name = "one"

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw

    def route(self, requests: Sequence[Any]) -> list[Decision]:
        return [self._decision() for _ in requests]

    def _decision(self) -> Decision:
        order = self._draw.sample(EXPERTS, len(EXPERTS))
        return Decision("one", tuple((name, 1.0 - n / 10) for n, name in enumerate(order)), "")


@pytest.fixture
def stormy(serve: Any, upstream: Any) -> Any:
    """Starts a gateway whose experts have little room, and whose breakers open often."""

    async def start(draw: random.Random) -> Any:
        remote = {"type": "openai", "base_url": upstream.base_url, "max_in_flight": 3}
        vote = {"type": "vote", "answer": "text"}
        return await serve(
            {n: {**remote, "model": f"{n}-model", "max_queued": 2} for n in EXPERTS},
            routers={"one": Shuffled(draw)},
            compositions={
                "pool/auto": {"router": "one"},
                "pool/vote": {"router": "one", "aggregator": vote},
            },
            server={
                "retries": 2,
                "retry_pause_s": 0.001,
                "breaker": {"failures": 3, "open_s": 0.005, "open_max_s": 0.02, "trials": 2},
            },
        )

    return start


async def _numbers(gateway: Any, name: str) -> list[tuple[dict[str, str], float]]:
    page = (await gateway.http.get("/metrics")).text
    families = text_string_to_metric_families(page)
    samples = (sample for family in families for sample in family.samples)
    return [(one.labels, one.value) for one in samples if one.name == name]


def _told(answer: httpx.Response, stream: bool) -> str:
    """How the request has ended; fails where its client is left without a word."""
    if answer.status_code != 200:
        error = answer.json()["error"]
        assert error["message"]
        assert error["code"]
        assert answer.status_code != 503 or answer.headers["retry-after"]
        return str(error["code"])
    if not stream:
        assert answer.json()["choices"][0]["message"]["content"]
        return "ok"
    assert answer.text.endswith("data: [DONE]\n\n")
    return "broken" if '"error"' in answer.text else "ok"


@pytest.mark.parametrize("seed", range(4))
async def test_nobody_is_left_without_an_answer_or_a_reason(
    stormy: Any, upstream: Any, seed: int
) -> None:
    draw = random.Random(seed)
    gateway = await stormy(draw)
    before, room = len(upstream.bodies), asyncio.Semaphore(16)

    async def ask() -> tuple[str, int]:
        script = "\n".join(f"{name}-model: {draw.choice(WAYS)}" for name in EXPERTS)
        stream, model = draw.random() < 0.3, draw.choice(MODELS)
        body = {"coterie": {"class": draw.choice(["interactive", "batch"])}}
        async with room:
            answer = await gateway.chat(script, model, stream=stream, **body)
        return _told(answer, stream), answer.status_code

    ended = await asyncio.gather(*(ask() for _ in range(120)))
    await gateway.settled()
    statuses = Counter(status for _, status in ended)
    counted: Counter[int] = Counter()
    for labels, value in await _numbers(gateway, "coterie_requests_total"):
        counted[int(labels["status"])] += int(value)
    # A stream that has broken off is counted by its error, which came after a head with 200.
    broken = sum(how == "broken" for how, _ in ended)
    assert counted[200] == statuses[200] - broken
    assert counted.total() == len(ended)
    calls: Counter[str] = Counter()
    for labels, value in await _numbers(gateway, "coterie_calls_total"):
        calls[labels["outcome"]] += int(value)
    sent = calls.total() - sum(calls[outcome] for outcome in REFUSED_HERE)
    # Of a vote that is clear, the last calls are cancelled, some before they are sent.
    assert sent - calls["cancelled"] <= len(upstream.bodies) - before <= sent
    assert sum(how == "ok" for how, _ in ended) > len(ended) / 4
    queued = (await gateway.http.get("/coterie/pool")).json()["queued"]
    assert set(queued.values()) == {0}


async def test_when_the_experts_are_well_again_everybody_is_answered(stormy: Any) -> None:
    gateway = await stormy(random.Random(0))
    for name in EXPERTS:
        await asyncio.gather(*(gateway.chat("drop", name) for _ in range(3)))
    for _ in range(2000):
        states = (await gateway.http.get("/coterie/pool")).json()["breakers"]
        if not any(one["retry_in_s"] for one in states.values()):
            break
    for name in EXPERTS:
        assert (await gateway.chat("say 4", name)).status_code == 200
    states = (await gateway.http.get("/coterie/pool")).json()["breakers"]
    assert {one["state"] for one in states.values()} == {"closed"}
