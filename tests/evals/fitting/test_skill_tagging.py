"""Keywords of the probe questions: what a tagger is asked, what counts, what is not asked again."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import httpx
import pytest
from rich.console import Console

from evals.client.progress import Progress
from evals.fitting.skill_tagging import tag
from routers.base import Tagging
from routers.outcomes import Outcome, OutcomeTable

TAGGING = Tagging("tagger", "Skills of {question}?", 3, 0.7, 16)


@pytest.fixture
def table() -> OutcomeTable:
    texts = {"q1": "add {question}", "q2": "capital of peru"}
    return OutcomeTable.from_rows(Outcome(k, "t", text, "e", "1", 1.0) for k, text in texts.items())


async def run(gateway: Any, table: OutcomeTable, tagging: Tagging = TAGGING) -> Any:
    gateway.bodies.clear()
    async with httpx.AsyncClient() as client:
        progress = Progress(Console(file=io.StringIO()))
        return await tag(client, gateway.base_url, table, tagging, "1", progress)


async def test_what_two_samples_name_is_kept(gateway: Any, table: OutcomeTable) -> None:
    words = {0: "Keywords: adding, sums", 1: "adding", 2: "other, sums"}
    gateway.reply = lambda expert, question: words[len(gateway.bodies) % 3]
    tagged, failed = await run(gateway, table)
    assert not failed
    assert set(tagged.skills["q1"]) == {"adding", "sums"}
    assert Counter(body["seed"] for body in gateway.bodies) == {0: 2, 1: 2, 2: 2}
    assert {body["temperature"] for body in gateway.bodies} == {0.7}
    asked = {body["messages"][0]["content"] for body in gateway.bodies}
    assert asked == {"Skills of add {question}?", "Skills of capital of peru?"}


async def test_nothing_is_asked_twice(gateway: Any, table: OutcomeTable) -> None:
    gateway.reply = lambda expert, question: "one thing"
    tagged, _ = await run(gateway, table)
    again, _ = await run(gateway, tagged)
    assert gateway.bodies == []
    assert again.skills == {"q1": ("one thing",), "q2": ("one thing",)}


async def test_a_failed_call_is_asked_again(gateway: Any, table: OutcomeTable) -> None:
    broken = Tagging("broken", "{question}", 2, 0.7, 16)
    tagged, failed = await run(gateway, table, broken)
    assert tagged.skills == {}
    assert len(failed) == 4
    await run(gateway, tagged, broken)
    assert len(gateway.bodies) == 4
