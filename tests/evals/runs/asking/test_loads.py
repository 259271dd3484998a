"""Loads of experts, from what a service says of its pool."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from evals.runs.asking.loads import LoadWatch
from evals.runs.record import LoadEvent


class Pool:
    """What the service tells."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.tree: dict[str, Any] = {"slots": [], "loads": {}}

    def loaded(self, engine: str, count: int, seconds: float, slot: str = "") -> None:
        entry = {"count": count, "seconds": seconds, "memory_gb": 0.5}
        self.tree["loads"][engine] = entry
        replicas = [{"engine": engine, "phase": "ready", "in_use": 0}] if slot else []
        self.tree["slots"] = [{"id": slot or "slot-9", "replicas": replicas}]

    async def answer(self, request: web.Request) -> web.Response:
        return web.json_response(self.tree, status=self.status)


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    told = Pool()
    application = web.Application()
    application.router.add_get("/coterie/pool", told.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    told.url = "http://{}:{}".format(*runner.addresses[0][:2])
    yield told
    await runner.cleanup()


async def test_each_load_is_told_once_with_its_slot_and_seconds(pool: Pool) -> None:
    found: list[LoadEvent] = []
    watch = LoadWatch(pool.url, None, lambda: 10.0, found.append)
    pool.loaded("alpha", 0, 0.0)
    await watch.look()
    assert found == []
    assert watch.memory_gb == {}
    pool.loaded("alpha", 1, 1.5, "slot-1")
    await watch.look()
    await watch.look()
    assert found == [LoadEvent(expert="alpha", slot="slot-1", at_s=8.5, seconds=1.5)]
    assert watch.memory_gb == {"alpha": 0.5}
    pool.loaded("alpha", 3, 3.5)
    await watch.look()
    # It came twice and left again since the last look: nobody says where it was.
    assert found[1:] == [
        LoadEvent(expert="alpha", slot="", at_s=8.0, seconds=1.0),
        LoadEvent(expert="alpha", slot="", at_s=9.0, seconds=1.0),
    ]
    await watch.close()


async def test_what_a_running_service_had_loaded_before_is_no_event(pool: Pool) -> None:
    found: list[LoadEvent] = []
    pool.loaded("alpha", 4, 9.0, "slot-0")
    watch = LoadWatch(pool.url, "key", lambda: 1.0, found.append)
    await watch.begin()
    await watch.look()
    assert found == []
    assert watch.memory_gb == {"alpha": 0.5}
    await watch.close()


async def test_another_server_tells_nothing(pool: Pool) -> None:
    watch = LoadWatch(pool.url, None, lambda: 1.0, lambda load: None)
    pool.status = 404
    assert await watch.pool() is None
    pool.status, pool.tree = 200, {"something": "else"}
    assert await watch.pool() is None
    await watch.look()
    await watch.close()
    gone = LoadWatch("http://127.0.0.1:9", None, lambda: 1.0, lambda load: None)
    assert await gone.pool() is None
    await gone.close()
