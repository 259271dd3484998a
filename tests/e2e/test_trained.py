"""The fused experts that ship answer what none of their members can."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace

import httpx
import pytest
from composite_engines import ZOO, Engines, Server, loose, serving

from evals.benchmarks.fusion.mixture_of_thoughts import decide
from evals.tasks.task import Sample, Task, load_tasks
from routers.registry import shared_encoder

pytestmark = pytest.mark.e2e

FOLDERS = {"fused": ZOO / "fusion_route", "thoughts": ZOO / "thoughts"}
QUESTIONS = 60


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving({name: loose(folder) for name, folder in FOLDERS.items()}) as started:
        yield started


@pytest.fixture(scope="module")
async def engines(server: Server) -> AsyncIterator[Engines]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield Engines(server, client, FOLDERS)


def first(name: str) -> Task:
    task = load_tasks([name])[name]
    return replace(task, rows=tuple(r for r in task.rows if r.split == "test")[:QUESTIONS])


async def right(
    engines: Engines, model: str, task: Task, roles: Sequence[str] | None = None
) -> float:
    """Share of the test questions that are answered right, each in its role."""

    async def ask(sample: Sample, role: str | None) -> str:
        messages = [{"role": "user", "content": sample.question}]
        body = {"messages": messages, "temperature": 0, "max_tokens": 32}
        if role is not None:
            body["chat_template_kwargs"] = {"role": role}
        answer = (await engines.post(model, "/v1/chat/completions", body)).json()
        return str(answer["choices"][0]["message"]["content"])

    samples = task.samples("test")
    said = await asyncio.gather(*map(ask, samples, roles or [None] * len(samples)))
    return statistics.fmean(map(task.score, samples, said))


async def test_fusion_route_knows_two_skills_in_one_question(engines: Engines) -> None:
    # Its members have 0 % here; nine of ten is what it was trained to.
    assert await right(engines, "fused", first("two_skill")) > 0.8


async def test_a_mixture_of_thoughts_hears_whom_its_router_names(engines: Engines) -> None:
    tasks = [first("two_skill"), first("arithmetic")]
    decisions = decide(FOLDERS["thoughts"], tasks, shared_encoder()())
    roles = {name: [str(one.role) for one in found] for name, found in decisions.items()}
    # What a member knows it answers alone, as well as ever.
    assert set(roles["arithmetic"]) == {"arithmetic"}
    assert await right(engines, "thoughts", tasks[1], roles["arithmetic"]) > 0.9
    # Nobody alone has any of these; nor have primaries that hear somebody else.
    assert all("+" in role for role in roles["two_skill"])
    heard = await right(engines, "thoughts", tasks[0], roles["two_skill"])
    alone = [role.split("+")[0] for role in roles["two_skill"]]
    assert heard > 0.08
    assert await right(engines, "thoughts", tasks[0], alone) == 0
