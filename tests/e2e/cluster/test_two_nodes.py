"""A batch over the slots of two nodes, one of which dies in the middle and comes back."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from nodes import ADDRESS, HEAD, Nodes, made_nodes, worker
from repository import ROOT
from service_process import ServedProcess, started

from evals.tasks.task import load_tasks

# The bound is for a machine that is busy with other things; alone, it takes a minute or two.
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

EXPERTS = ("arithmetic", "geography", "logic", "units")
CONFIG: dict[str, Any] = {
    # So large that a slot holds two: both slots are needed, and then one has to swap.
    "experts": {
        name: {"type": "vllm", "model": str(ROOT / f"experts/zoo/weights/{name}"), "memory_gb": 1.5}
        for name in EXPERTS
    },
    "slots": {
        "count": 2,
        "memory_gb": 4.5,
        "engine_args": {"dtype": "float32", "max_model_len": 256},
    },
    "ray": {"address": ADDRESS},
}
WORKER = worker(1)
PATIENCE_S = 120
NOTICED_S = 5.0
"""So soon a cut link is known."""


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with made_nodes(ABSENT="worker-1", RAY_CHECKS="8") as both:
        yield both


@pytest.fixture
async def served(nodes: Nodes, tmp_path: Path) -> AsyncIterator[ServedProcess]:
    async with started(tmp_path, CONFIG, inside=nodes.inside(), **nodes.environment) as service:
        yield service


class Client:
    """The commands of somebody who is on the head's node."""

    def __init__(self, nodes: Nodes, url: str, folder: Path) -> None:
        self._nodes = nodes
        self._url = url
        self._folder = folder

    async def begin(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._nodes.inside(), sys.executable, "-m", "orchestrator", *arguments,
            "--url", self._url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **self._nodes.environment}, cwd=self._folder,
        )  # fmt: skip

    async def slots(self) -> dict[str, dict[str, Any]]:
        """By the node that each is on."""
        process = await self.begin("ps", "--json")
        printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        return {slot["node"]: slot for slot in json.loads(printed)["slots"]}

    async def batch(self, name: str, lines: int) -> asyncio.subprocess.Process:
        """Begin to ask every expert as many lines, with long answers that begin right."""
        text = "".join(f"{json.dumps(line)}\n" for line in _lines(lines))
        (self._folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
        return await self.begin("batch", f"{name}.jsonl", "-o", f"{name}.out.jsonl")

    async def answers(self, name: str, batch: asyncio.subprocess.Process) -> dict[str, Any]:
        """By id, once it has ended; each line has exactly one."""
        printed, _ = await asyncio.wait_for(batch.communicate(), PATIENCE_S)
        assert batch.returncode == 0, printed.decode()
        asked = (self._folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        text = (self._folder / f"{name}.out.jsonl").read_text(encoding="utf-8")
        given = [json.loads(line) for line in text.splitlines()]
        assert [one["custom_id"] for one in given] == [json.loads(a)["custom_id"] for a in asked]
        return {one["custom_id"]: one["response"]["body"] for one in given}


def _lines(count: int) -> Iterator[dict[str, Any]]:
    for expert in EXPERTS:
        samples = load_tasks()[expert].samples("test")
        for number in range(count):
            question = samples[number % len(samples)].question
            body = {
                "model": expert,
                "messages": [{"role": "user", "content": question}],
                "temperature": 0,
                "max_tokens": 64,
                "min_tokens": 64,
            }
            url = "/v1/chat/completions"
            yield {"custom_id": f"{expert}-{number}", "method": "POST", "url": url, "body": body}


def _slots_of(answers: dict[str, Any]) -> set[str]:
    return {body["coterie"]["slot"] for body in answers.values()}


async def test_a_node_comes_late_and_when_it_dies_in_the_middle_costs_no_line(
    nodes: Nodes, served: ServedProcess, tmp_path: Path
) -> None:
    client = Client(nodes, await served.url(300), tmp_path)
    await served.says("The service starts without it.")
    assert set(await client.slots()) == {HEAD, None}
    nodes.do("join", "worker-1")
    for expert in EXPERTS:
        await served.says(f": {expert} loaded in")
    before = await client.slots()
    assert {node: len(slot["residents"]) for node, slot in before.items()} == {HEAD: 2, WORKER: 2}

    nodes.do("unplug", "worker-1")
    await served.says("is out of reach", within_s=NOTICED_S)
    nodes.do("plug", "worker-1")
    held = sorted(before[WORKER]["residents"])
    await served.says(f"with {', '.join(held)}")
    back = (await client.slots())[WORKER]
    assert (sorted(back["residents"]), back["restarts"]) == (held, 0)

    batch = await client.batch("killed", 200)
    for expert in before[WORKER]["residents"]:
        await served.says(f"model={expert} expert={expert} status=200")
    nodes.do("kill", "worker-1")
    assert batch.returncode is None
    answers = await client.answers("killed", batch)

    assert _slots_of(answers) == {slot["id"] for slot in before.values()}
    await served.says(f"{before[WORKER]['id']}: process on {WORKER} lost, restarting")
    await served.says(f"{before[WORKER]['id']} waits for Ray to start its process")
    after = await client.slots()
    assert (after[WORKER]["up"], after[HEAD]["up"]) == (False, True)

    nodes.do("join", "worker-1")
    await served.says(f"{before[WORKER]['id']}: engine process ready", times=3)
    assert (await client.slots())[WORKER]["up"]
    answers = await client.answers("again", await client.batch("again", 20))
    assert _slots_of(answers) == {slot["id"] for slot in before.values()}


async def test_a_service_with_another_token_is_refused(nodes: Nodes, tmp_path: Path) -> None:
    other = {**nodes.environment, "RAY_AUTH_TOKEN": "0" * 64}
    async with started(tmp_path, CONFIG, inside=nodes.inside(), **other) as service:
        said = await service.says(f"error: Ray is not reachable at {ADDRESS}: ")
        assert await service.ended() == 1
    assert "RAY_AUTH_TOKEN" in said
    assert "InvalidAuthToken" in service.printed
    assert "Traceback" not in service.printed
