"""Workers of one service are drained together, whichever of them was asked."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.config.model import Config
from orchestrator.server.telemetry.siblings import Siblings
from orchestrator.service.service import Service, start_service


class Workers:
    """Several in this process, each on a port of its own, so that a test can choose one."""

    def __init__(self, config: Config, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self.services: list[Service] = []

    async def start(self, number: int) -> None:
        siblings = Siblings(self._folder, number)
        service = await start_service(self._config, on_event=lambda _: None, siblings=siblings)
        self.services.append(service)

    async def call(self, number: int, method: str, path: str) -> tuple[int, Any]:
        url = f"{self.services[number - 1].base_url}{path}"
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.request(method, url)
            return answer.status_code, answer.json()

    async def readiness(self) -> list[int]:
        numbers = range(1, len(self.services) + 1)
        return [(await self.call(n, "GET", "/health/readiness"))[0] for n in numbers]


@pytest.fixture
async def workers(upstream: Any, tmp_path: Path) -> AsyncIterator[Workers]:
    tiny = {"type": "openai", "base_url": upstream.base_url, "model": "tiny-model"}
    tree = {"experts": {"tiny": tiny}, "server": {"port": 0}, "store": "memory"}
    made = Workers(Config.model_validate(tree), tmp_path)
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
