"""How answers leave: in as few packets as they can, framed as they say, and not to who has left."""

import asyncio
import gc
import weakref
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from orchestrator.server.wire.exchange import watch_departure
from orchestrator.server.wire.protocol import LISTENER, Protocol

POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
START = "http.response.start"
BODY = "http.response.body"


class Wire(asyncio.Transport):
    """A connection's other end."""

    def __init__(self) -> None:
        super().__init__()
        self.packets: list[bytes] = []
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return None

    def write(self, data: Any) -> None:
        self.packets.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def _connected(app: Any) -> tuple[Protocol, Wire, ServerState]:
    state, wire = ServerState(), Wire()
    protocol = Protocol(uvicorn.Config(app, **{**LISTENER, "log_config": None}), state, {})
    protocol.connection_made(wire)
    return protocol, wire, state


async def _packets(*messages: dict[str, Any], request: bytes = POST) -> Wire:
    """What leaves where an application sends these messages."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    protocol, wire, state = _connected(app)
    protocol.data_received(request)
    await asyncio.gather(*state.tasks)
    return wire


def _start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": START, "status": status, "headers": list(headers)}


def _part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": BODY, "body": body, "more_body": more}


async def test_a_whole_answer_is_one_packet() -> None:
    wire = await _packets(_start((b"content-length", b"2")), _part(b"ok", more=False))
    assert len(wire.packets) == 1
    assert wire.packets[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert wire.packets[0].endswith(b"content-length: 2\r\n\r\nok")
    assert not wire.closed


async def test_a_stream_begins_with_its_first_piece() -> None:
    parts = [_part(b"a", more=True), _part(b"", more=True), _part(b"", more=False)]
    wire = await _packets(_start(), *parts)
    first, last = wire.packets
    assert first.endswith(b"\r\n\r\n1\r\na\r\n")
    assert last == b"0\r\n\r\n"
    assert b"transfer-encoding: chunked\r\n" in first


async def test_an_answer_without_a_body_has_no_chunks() -> None:
    wire = await _packets(_start(status=204), _part(b"", more=False))
    assert b"".join(wire.packets).endswith(b"\r\n\r\n")
    assert b"transfer-encoding" not in wire.packets[0]


async def test_a_connection_that_ends_says_so() -> None:
    messages = _start((b"content-length", b"2")), _part(b"ok", more=False)
    last = POST.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    wire = await _packets(*messages, request=last)
    assert b"connection: close\r\n" in wire.packets[0]
    assert wire.closed


async def test_an_application_that_frames_its_answer_is_left_to_uvicorn() -> None:
    messages = _start((b"connection", b"close")), _part(b"ok", more=False)
    wire = await _packets(*messages)
    assert b"".join(wire.packets).count(b"connection: close") == 1
    assert b"".join(wire.packets).endswith(b"2\r\nok\r\n0\r\n\r\n")
    assert wire.closed


@pytest.mark.parametrize("body", [b"", b"o", b"okay"])
async def test_a_body_of_another_length_ends_the_connection(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    wire = await _packets(_start((b"content-length", b"2")), _part(body, more=False))
    assert wire.closed
    assert not any(packet.endswith(b"\r\n\r\n" + body) for packet in wire.packets)


@pytest.mark.parametrize("value", [b"a\r\nx-forged: 1", b"a\nb", b"a\rb", b"a\0"])
async def test_a_value_cannot_end_its_line(value: bytes, caplog: pytest.LogCaptureFixture) -> None:
    wire = await _packets(_start((b"x-model", value)), _part(b"ok", more=False))
    assert wire.packets[0].startswith(b"HTTP/1.1 500 ")
    assert value not in b"".join(wire.packets)


async def test_a_departure_is_told_until_the_answer_has_ended() -> None:
    gone: list[str] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        unwatch = watch_departure(scope, receive, lambda: gone.append(scope["path"]))
        if scope["path"] == "/unwatched":
            unwatch()
        begun.set()
        await go_on.wait()
        await send(_start((b"content-length", b"2")))
        await send(_part(b"ok", more=False))

    async def told(path: bytes, *, answered: bool) -> list[str]:
        begun.clear(), go_on.clear(), gone.clear()
        protocol, _, state = _connected(app)
        protocol.data_received(POST.replace(b" / ", b" " + path + b" "))
        await begun.wait()
        if not answered:
            protocol.connection_lost(None)
        go_on.set()
        await asyncio.gather(*state.tasks)
        if answered:
            protocol.connection_lost(None)
        return gone

    assert await told(b"/left", answered=False) == ["/left"]
    assert await told(b"/unwatched", answered=False) == []
    assert await told(b"/answered", answered=True) == []


async def test_a_client_that_has_left_already_is_told_as_well() -> None:
    gone = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        protocol.connection_lost(None)
        watch_departure(scope, receive, gone.set)
        await gone.wait()

    protocol, _, state = _connected(app)
    protocol.data_received(POST)
    await asyncio.gather(*state.tasks)


async def test_another_server_is_asked_for_it() -> None:
    gone = asyncio.Event()
    messages = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    watch_departure({"type": "http"}, receive, gone.set)
    await gone.wait()


async def test_what_is_watched_no_more_is_not_asked_for() -> None:
    asked = asyncio.Event()
    ended = asyncio.Event()

    async def receive() -> Any:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    unwatch = watch_departure({"type": "http"}, receive, lambda: None)
    await asked.wait()
    unwatch()
    await ended.wait()


async def test_what_a_request_has_left_is_gone_without_a_search_for_garbage() -> None:
    """A thousand streams would hold it until the collector comes by."""
    left: list[weakref.ref[Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = mark = asyncio.Event()
        left.append(weakref.ref(mark))
        watch_departure(scope, receive, mark.set)
        await send(_start((b"content-length", b"0")))
        await send(_part(b"", more=False))

    protocol, _, state = _connected(app)
    gc.disable()
    try:
        for _ in range(2):  # The connection keeps the last one.
            protocol.data_received(POST)
            await asyncio.gather(*state.tasks)
        assert [mark() is None for mark in left] == [True, False]
    finally:
        gc.enable()
