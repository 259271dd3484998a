"""A service that stops: what readiness says, which requests it takes, and when it is idle."""

import asyncio
from typing import Any

from orchestrator.server.drain import Drain


async def test_it_is_idle_when_the_last_request_has_left() -> None:
    drain = Drain()
    assert await drain.idle(5)
    drain.entered()
    drain.entered()
    waiting = asyncio.create_task(drain.idle(5))
    drain.left()
    await asyncio.sleep(0)
    assert not waiting.done()
    drain.left()
    assert await waiting


async def test_a_request_that_stays_is_not_waited_for_longer_than_the_bound() -> None:
    drain = Drain()
    drain.entered()
    assert not await drain.idle(0.001)


async def test_readiness_goes_before_requests_are_refused(serve: Any, upstream: Any) -> None:
    gateway = await serve()
    drain = gateway.context.drain
    drain.begin()
    ready = await gateway.http.get("/health/readiness")
    assert (ready.status_code, ready.json()["status"]) == (503, "stopping")
    assert (await gateway.chat("stream 1")).status_code == 200
    drain.refuse()
    refused = await gateway.chat("stream 1")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "service_stopping")
    assert refused.headers["retry-after"]
    for path in ("/health", "/metrics", "/coterie/pool"):
        assert (await gateway.http.get(path)).status_code == 200


async def test_the_service_is_idle_when_the_answer_has_ended(serve: Any, upstream: Any) -> None:
    gateway = await serve()
    asking = asyncio.create_task(gateway.chat("silent until-idle"))
    await upstream.saw("began until-idle")
    gateway.context.drain.refuse()
    idle = asyncio.create_task(gateway.context.drain.idle(10))
    await asyncio.sleep(0)
    assert not idle.done()
    upstream.release("until-idle")
    assert (await asking).status_code == 200
    assert await idle
