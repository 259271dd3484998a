"""A service that stops: what readiness says, which requests it takes, and when it is idle."""

import asyncio
import json
from typing import Any

import pytest

from orchestrator.server.drain import Drain

HI = [{"role": "user", "content": "stream 1"}]


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


async def test_an_operator_takes_a_gateway_out_and_puts_it_back(serve: Any, upstream: Any) -> None:
    gateway = await serve()
    asking = asyncio.create_task(gateway.chat("silent until-drained"))
    await upstream.saw("began until-drained")
    taken = await gateway.http.post("/coterie/drain")
    assert (taken.status_code, taken.json()) == (200, {"draining": True, "in_flight": 1})
    assert (await gateway.http.get("/health/readiness")).status_code == 503
    late = await gateway.chat("stream 1")
    assert (late.status_code, late.headers["connection"]) == (200, "close")
    upstream.release("until-drained")
    assert (await asking).headers["connection"] == "close"
    back = await gateway.http.delete("/coterie/drain")
    assert back.json() == {"draining": False, "in_flight": 0}
    assert (await gateway.http.get("/health/readiness")).status_code == 200
    assert "connection" not in (await gateway.chat("stream 1")).headers


async def test_a_service_that_stops_is_not_put_back(serve: Any) -> None:
    gateway = await serve()
    gateway.context.drain.refuse()
    assert (await gateway.http.delete("/coterie/drain")).json()["draining"] is True
    assert (await gateway.chat("stream 1")).status_code == 503
    assert (await gateway.http.post("/coterie/drain")).status_code == 200


async def test_only_administrators_take_a_gateway_out(serve: Any) -> None:
    gateway = await serve(server={"api_keys": {"client": {"key": "sk-client"}}})
    headers = {"authorization": "Bearer sk-client"}
    for method in ("POST", "DELETE"):
        answer = await gateway.http.request(method, "/coterie/drain", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "admin_only")
    assert (await gateway.http.get("/health/readiness")).status_code == 200


@pytest.mark.parametrize("stream", [True, False])
async def test_a_connection_is_closed_after_its_last_answer(serve: Any, stream: bool) -> None:
    """On the wire: the server itself ends it, so that no client sends its next request there."""
    gateway = await serve()
    gateway.context.drain.begin()
    host, port = gateway.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"model": "tiny", "stream": stream, "messages": HI}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    async with asyncio.timeout(10):
        received = await reader.read()  # Until the end of the connection.
    assert received.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in received
    writer.close()
