"""Clients that do not go on are cut off, and those for whom there is no room hear it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from orchestrator.server.wire.bounds import ClientBounds
from orchestrator.server.wire.listening import Listener, take

SHORT_S, LONG_S = 0.05, 5.0
HEAD = "POST / HTTP/{}\r\nhost: x\r\ncontent-length: 10\r\n\r\n"
WHOLE = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Served:
    """An application that keeps what it receives."""

    port: int = 0
    heard: list[str] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        more = True
        if scope["path"] == "/later":
            await self.go.wait()
        while more:
            message = await receive()
            self.heard.append(message["type"])
            if message["type"] == "http.disconnect":
                self.left.set()
                return
            more = message["more_body"]
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving(timeout_s: float = SHORT_S, connections: int = 100) -> AsyncIterator[Served]:
    served = Served()
    with Listener(take("127.0.0.1", 0, "server.port")) as one:
        served.port = int(one.url.rpartition(":")[2])
        one.serve(served, ClientBounds(timeout_s, connections))
        async with asyncio.timeout(LONG_S):
            yield served
        await one.stop()


Case = Callable[[], Awaitable[None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Case], None]:
    """On both loops: the service has uvloop, whose transports differ."""

    def on(case: Case) -> None:
        runner = uvloop.run if request.param == "uvloop" else asyncio.run
        runner(case())  # type: ignore[arg-type]

    return on


async def _told(port: int, *parts: bytes) -> bytes:
    """All that a client gets until it is cut off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
    answer = await reader.read()
    writer.close()
    return answer


def test_a_client_that_says_nothing_loses_its_connection(run: Any) -> None:
    async def case() -> None:
        async with serving() as served:
            assert await _told(served.port) == b""

    run(case)


@pytest.mark.parametrize("half", [b"POST", b"POST / HTTP/1.1\r\nhost: x\r\n"])
def test_half_a_head_gets_408(run: Any, half: bytes, caplog: Any) -> None:
    async def case() -> None:
        async with serving() as served:
            assert (await _told(served.port, half)).startswith(b"HTTP/1.1 408 ")
            assert served.heard == []

    with caplog.at_level(logging.WARNING, "coterie.server"):
        run(case)
    assert "connections cut off: 1;" in caplog.text


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_half_a_body_gets_408_and_the_application_hears_that_the_client_left(
    run: Any, version: str
) -> None:
    async def case() -> None:
        async with serving() as served:
            answer = await _told(served.port, HEAD.format(version).encode() + b"half")
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert served.heard[-1] == "http.disconnect"

    run(case)


@pytest.mark.parametrize("half", [b"POST / HT", WHOLE[:-1]])
def test_so_does_half_a_second_request(run: Any, half: bytes) -> None:
    async def case() -> None:
        async with serving() as served:
            answer = await _told(served.port, WHOLE, half)
            assert [part[:3] for part in answer.split(b"HTTP/1.1 ")] == [b"", b"200", b"408"]

    run(case)


def test_a_whole_request_may_take_as_long_as_it_takes_and_its_connection_stays(run: Any) -> None:
    async def case() -> None:
        async with serving() as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            for _ in range(2):
                served.go.clear()
                writer.write(WHOLE.replace(b"/ ", b"/later "))
                # Others are cut off meanwhile, twice after another.
                assert await _told(served.port) == await _told(served.port) == b""
                served.go.set()
                assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
                await reader.readuntil(b"\r\n\r\nok")
            writer.close()

    run(case)


def test_a_body_that_we_do_not_read_is_no_pause_of_the_client(run: Any) -> None:
    async def case() -> None:
        async with serving() as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            size = 1 << 20
            head = f"POST /later HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n"
            writer.write(head.encode() + b"x" * size)
            assert await _told(served.port) == await _told(served.port) == b""
            served.go.set()
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            writer.close()

    run(case)


def test_a_client_for_whom_there_is_no_room_gets_503(run: Any, caplog: Any) -> None:
    async def case() -> None:
        async with serving(LONG_S, connections=1) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(WHOLE)
            await reader.readuntil(b"\r\n\r\nok")
            for _ in range(3):
                answer = await _told(served.port, WHOLE)
                assert answer.startswith(b"HTTP/1.1 503 ")
            writer.write(WHOLE)  # The first one is served as before.
            await reader.readuntil(b"\r\n\r\nok")
            writer.close()

    with caplog.at_level(logging.WARNING, "coterie.server"):
        run(case)
    assert caplog.text.count("connections refused") == 1
