"""The fused experts that ship answer what none of their members can."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterator

import httpx
import pytest
from composite_engines import ZOO, Engines, Server, loose, serving

from evals.tasks import load_tasks

pytestmark = pytest.mark.e2e

FOLDER = ZOO / "fusion_route"
QUESTIONS = 60


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving({"fused": loose(FOLDER)}) as started:
        yield started


async def test_two_skills_in_one_question(server: Server) -> None:
    task = load_tasks(["two_skill"])["two_skill"]
    samples = task.samples("test")[:QUESTIONS]
    async with httpx.AsyncClient(timeout=60) as client:
        engines = Engines(server, client, {"fused": FOLDER})

        async def ask(question: str) -> str:
            messages = [{"role": "user", "content": question}]
            body = {"messages": messages, "temperature": 0, "max_tokens": 32}
            answer = (await engines.post("fused", "/v1/chat/completions", body)).json()
            return str(answer["choices"][0]["message"]["content"])

        said = await asyncio.gather(*(ask(sample.question) for sample in samples))
    right = statistics.fmean(map(task.score, samples, said))
    # Its members have 0 % here; nine of ten is what it was trained to.
    assert right > 0.8, right
