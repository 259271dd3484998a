"""Workers of one service are drained together; what would reach one only is told before."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.reload.config_file import ConfigFile
from orchestrator.server.telemetry.siblings import Siblings
from orchestrator.service.service import Service, start_service


class Workers:
    """Several in this process, each on a port of its own, so that a test can choose one."""

    def __init__(self, file: ConfigFile, folder: Path) -> None:
        self._file = file
        self._folder = folder
        self.services: list[Service] = []

    async def start(self, number: int) -> None:
        siblings = Siblings(self._folder, number)
        service = await start_service(
            self._file.started.config,
            on_event=lambda _: None,
            siblings=siblings,
            file=self._file,
        )
        self.services.append(service)

    async def call(self, number: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        url = f"{self.services[number - 1].base_url}{path}"
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.request(method, url, json=body)
            return answer.status_code, answer.json()

    async def readiness(self) -> list[int]:
        numbers = range(1, len(self.services) + 1)
        return [(await self.call(n, "GET", "/health/readiness"))[0] for n in numbers]


@pytest.fixture
async def workers(upstream: Any, tmp_path: Path) -> AsyncIterator[Workers]:
    tiny = {"type": "openai", "base_url": upstream.base_url, "model": "tiny-model"}
    tree = {"experts": {"tiny": tiny}, "server": {"port": 0}, "store": "memory"}
    path = tmp_path / "pool.yaml"
    path.write_text(json.dumps(tree), encoding="utf-8")
    made = Workers(ConfigFile(path), tmp_path)
    for number in (1, 2):
        await made.start(number)
    yield made
    for service in made.services:
        await service.stop()


async def test_all_workers_are_drained_and_put_back_together(workers: Workers) -> None:
    told = (200, {"draining": True, "in_flight": 0})
    assert await workers.call(1, "POST", "/coterie/drain") == told
    assert await workers.readiness() == [503, 503]
    back = (200, {"draining": False, "in_flight": 0})
    assert await workers.call(2, "DELETE", "/coterie/drain") == back
    assert await workers.readiness() == [200, 200]


async def test_a_worker_that_comes_into_a_drain_is_drained(workers: Workers) -> None:
    await workers.call(1, "POST", "/coterie/drain")
    await workers.start(3)
    assert await workers.readiness() == [503, 503, 503]
    await workers.call(3, "DELETE", "/coterie/drain")
    assert await workers.readiness() == [200, 200, 200]


async def test_requests_under_way_are_counted_in_all_workers(
    workers: Workers, upstream: Any
) -> None:
    first = workers.services[0]
    body = {"model": "tiny", "messages": [{"role": "user", "content": "silent until-counted"}]}
    async with httpx.AsyncClient(base_url=first.base_url, trust_env=False) as client:
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(client.post("/v1/chat/completions", json=body))
            await upstream.saw("began until-counted")
            _, told = await workers.call(2, "POST", "/coterie/drain")
            assert told == {"draining": True, "in_flight": 1}
            upstream.release("until-counted")
        assert asking.result().status_code == 200


async def test_what_would_reach_one_worker_is_told_before_it_is_asked_for(
    workers: Workers,
) -> None:
    body = {"name": "law", "type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    status, told = await workers.call(1, "POST", "/coterie/experts", body)
    assert status == 409
    why = told["error"]["message"]
    lines = "law: {type: openai, base_url: 'http://127.0.0.1:9/v1', model: m}"
    status, told = await workers.call(1, "POST", "/coterie/experts/check", {"yaml": lines})
    assert (status, told["ok"], told["problems"]) == (200, False, [why])
    assert (told["expert"], told["difference"]) == ("law", ["expert law added"])
    wrong = {"yaml": "law: {type: openai, model: m}"}
    status, told = await workers.call(1, "POST", "/coterie/experts/check", wrong)
    assert (told["problems"][0].startswith("experts.law.base_url"), told["problems"][-1]) == (
        True,
        why,
    )
    _, told = await workers.call(1, "GET", "/coterie/pool/experts/tiny")
    assert "would not keep it" in told["fixed"]
