"""The stream of what happens in the pool: pushed, bounded, and over when the service stops."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from scripted_slot import PATIENCE_S

from orchestrator.server.watching.events import EventStream

HOSTED = {
    name: {"type": "vllm", "model": f"org/{name}", "memory_gb": 3, "preload": name == "a"}
    for name in ("a", "b")
}
SLOTS = {"count": 1, "memory_gb": 4, "canary_tokens": 0, "remember_moves": 50}


@pytest.fixture(scope="module")
async def hosting(serve: Any) -> Any:
    """Two experts of which one fits, with a stream that tells of every change at once."""
    events = {"listeners": 2, "interval_s": 0.001}
    return await serve(HOSTED, slots=SLOTS, server={"events": events})


@asynccontextmanager
async def listening(gateway: Any) -> AsyncIterator[Callable[..., Any]]:
    """`await next_where("pool", predicate)`: the next event of that kind that it holds for."""
    async with gateway.http.stream("GET", "/coterie/events") as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.aiter_lines()

        async def next_where(
            kind: str, holds: Callable[[Any], bool] = lambda told: True
        ) -> dict[str, Any]:
            async with asyncio.timeout(PATIENCE_S):
                async for line in lines:
                    if not line.startswith("data: "):
                        continue
                    told: dict[str, Any] = json.loads(line.removeprefix("data: "))
                    if told["type"] == kind and holds(told):
                        return told
            raise AssertionError(f"no {kind}")

        yield next_where


def resident(told: Any) -> list[str]:
    return [name for slot in told["slots"] for name in slot["residents"]]


async def test_the_pool_is_told_at_first_and_whenever_it_changes(hosting: Any) -> None:
    async with listening(hosting) as next_where:
        first = await next_where("pool")
        assert resident(first) == ["a"]
        assert first["loads"]["a"]["memory_gb"] == 3
        assert not first["loads"]["a"]["pinned"]
        with await hosting.pool.lease("b"):
            assert await next_where("pool", lambda told: resident(told) == ["b"])
    with await hosting.pool.lease("a"):
        pass


async def test_what_has_come_and_gone_is_told_to_who_comes_later_too(hosting: Any) -> None:
    with await hosting.pool.lease("b"):
        pass
    for _ in range(2):
        async with listening(hosting) as next_where:
            moves = (await next_where("moves"))["moves"]
            last = [(move["kind"], move["engine"], move["slot"]) for move in moves[-2:]]
            assert last == [("left", "a", "slot-0"), ("loaded", "b", "slot-0")]
            assert moves[-1]["why"]
            assert moves[-1]["at"] >= moves[0]["at"]
    with await hosting.pool.lease("a"):
        pass


async def test_rates_are_told_of_who_has_answered(hosting: Any) -> None:
    async with listening(hosting) as next_where:
        await next_where("rates")
        await hosting.chat("x")
        told = await next_where("rates", lambda told: "tiny" in told["experts"])
        assert told["experts"]["tiny"]["requests_s"] > 0
        assert told["experts"]["tiny"]["tokens_s"] > 0
        assert (told["in_flight"], told["draining"]) == (0, False)


async def test_no_more_listen_than_may_and_who_leaves_makes_room(hosting: Any) -> None:
    events = hosting.app.state.events
    async with listening(hosting) as one, listening(hosting) as two:
        await asyncio.gather(one("pool"), two("pool"))
        refused = await hosting.http.get("/coterie/events")
        assert refused.status_code == 429
        assert "server.events.listeners" in refused.json()["error"]["message"]
    async with asyncio.timeout(PATIENCE_S):
        while events.listening:
            await asyncio.sleep(0)
    async with listening(hosting) as again:
        await again("pool")


async def test_whoever_reads_slowly_is_told_the_newest_and_holds_nothing(hosting: Any) -> None:
    events, happenings = hosting.app.state.events, hosting.pool.happenings
    sent: list[bytes] = []
    may_send, blocked = asyncio.Event(), asyncio.Event()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            sent.append(message["body"])
            if not may_send.is_set():
                blocked.set()
            await may_send.wait()

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET"}
    stream = asyncio.create_task(EventStream(events, lambda: True)(scope, receive, send))
    async with asyncio.timeout(PATIENCE_S):
        await blocked.wait()
        for number in range(5000):
            happenings.note("loaded", f"burst-{number}", "slot-0", 0.1)
            if not number % 100:
                await asyncio.sleep(0)
        posted = events._versions["pool"]
        async with listening(hosting) as next_where:  # Another one goes on being told.
            await next_where("pool")
            assert sum(map(len, sent)) == len(sent[0])
            may_send.set()
            while len(sent) < 2 or b"burst-4999" not in b"".join(sent):
                await asyncio.sleep(0)
    stream.cancel()
    told = b"".join(sent[1:])
    assert told.count(b'"kind":"loaded"') <= 50, "as many as are remembered"
    assert b"burst-4900" not in told
    assert len(sent) < 10 < posted + 10


async def test_a_client_that_does_not_read_fills_no_memory(hosting: Any) -> None:
    events, happenings = hosting.app.state.events, hosting.pool.happenings
    host, port = hosting.base_url.removeprefix("http://").split(":")
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, (host, int(port)))
        await loop.sock_sendall(deaf, b"GET /coterie/events HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(6 * PATIENCE_S):
            while not events.listening:
                await asyncio.sleep(0)
            connections = list(hosting._server.server_state.connections)
            number = 0
            while not any(one.flow.write_paused for one in connections):
                number += 1
                happenings.note("loaded", f"{'long ' * 100}{number}", "slot-0", 0.1)
                await asyncio.sleep(0)
            for _ in range(5000):
                happenings.note("loaded", "long " * 100, "slot-0", 0.1)
                await asyncio.sleep(0)
        assert events.listening == 1
        assert max(one.transport.get_write_buffer_size() for one in connections) < 1 << 18
    async with asyncio.timeout(PATIENCE_S):
        while events.listening:
            await asyncio.sleep(0)


async def test_a_listener_whose_client_has_left_is_forgotten(hosting: Any) -> None:
    events = hosting.app.state.events
    async with listening(hosting) as next_where:
        await next_where("pool")
        assert events.listening == 1
    async with asyncio.timeout(PATIENCE_S):
        while events.listening:
            await asyncio.sleep(0)
    assert events._pump is None, "nobody looks any more"


async def test_a_head_tells_the_type_alone(hosting: Any) -> None:
    head = await hosting.http.head("/coterie/events")
    assert head.status_code == 200
    assert head.headers["content-type"].startswith("text/event-stream")
    assert head.content == b""


async def test_streams_end_when_the_service_stops_and_none_begins(serve: Any) -> None:
    gateway = await serve()
    async with gateway.http.stream("GET", "/coterie/events") as response:
        lines = response.aiter_lines()
        await anext(lines)
        gateway.app.state.events.close()
        async with asyncio.timeout(PATIENCE_S):
            _ = [line async for line in lines]
    refused = await gateway.http.get("/coterie/events")
    assert refused.status_code == 503


async def test_a_key_for_some_models_sees_nothing_of_the_pool(serve: Any) -> None:
    keys = {"few": {"key": "secret-few-0123456789", "models": ["tiny"]}}
    gateway = await serve(server={"api_keys": keys})
    headers = {"authorization": "Bearer secret-few-0123456789"}
    for path in ("/coterie/events", "/coterie/pool/experts/tiny"):
        assert (await gateway.http.get(path)).status_code == 401
        assert (await gateway.http.get(path, headers=headers)).status_code == 403


async def test_a_key_that_is_revoked_hears_no_more(serve: Any) -> None:
    boss = {"authorization": "Bearer secret-boss-0123456789"}
    gateway = await serve(
        server={"api_keys": {"boss": {"key": "secret-boss-0123456789", "admin": True}}}
    )
    made = await gateway.http.post("/coterie/keys", json={"name": "guest"}, headers=boss)
    guest = {"authorization": f"Bearer {made.json()['key']}"}
    heard = gateway.http.stream("GET", "/coterie/events", headers=guest)
    kept = gateway.http.stream("GET", "/coterie/events", headers=boss)
    async with heard as response, kept as other, asyncio.timeout(PATIENCE_S):
        lines, others = response.aiter_lines(), other.aiter_lines()
        await anext(lines)
        await anext(others)
        await gateway.http.delete("/coterie/keys/guest", headers=boss)
        _ = [line async for line in lines]
        async for line in others:
            if line.startswith("event: rates"):
                break
