"""What odd but valid requests get, however their bytes are cut into segments."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from orchestrator.server.wire.protocol import INVALID, LISTENER, MOST_REQUEST_LINE, Protocol

BODY = b'{"a": 1}\r\nGET / HTTP/1.1\r\n'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKS = b"Transfer-Encoding: chunked\r\n"
CHUNKED = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (3, BODY[:3], len(BODY) - 3, BODY[3:])
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
WEBSOCKET = (
    b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
)
PLAIN, OLD = b"1.1", b"1.0"


def _post(version: bytes, offer: bytes, framing: bytes, body: bytes) -> bytes:
    return b"POST /echo HTTP/%b\r\nHost: x\r\n%b%b\r\n%b" % (version, offer, framing, body)


REQUESTS = [
    _post(PLAIN, offer, framing, body)
    for offer in (b"", H2C, WEBSOCKET)
    for framing, body in ((LENGTH, BODY), (CHUNKS, CHUNKED))
]


class Wire(asyncio.Transport):
    """A connection that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.protocol: Any = None
        self.closed = asyncio.Event()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def close(self) -> None:
        self.closed.set()

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    """The body, streamed without a length."""
    assert scope["type"] == "http"
    names = {name for name, _ in scope["headers"]}
    assert scope["http_version"] == "1.0" or not names & {b"upgrade", b"http2-settings"}
    body, more = b"", True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        body, more = body + message["body"], message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-path", b"/")]})
    for piece in (body[:5], body[5:]):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _exchange(segments: Sequence[bytes]) -> Wire:
    """What a connection got when all requests were answered."""
    state, wire = ServerState(), Wire()
    config = uvicorn.Config(_echo, **{**LISTENER, "log_config": None})
    wire.protocol = Protocol(config, state, {})
    wire.protocol.connection_made(wire)
    for segment in segments:
        if not wire.is_closing():
            wire.protocol.data_received(segment)
    while state.tasks:
        await asyncio.gather(*state.tasks)
    wire.protocol.connection_lost(None)
    return wire


def _cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    marks = [0, *sorted({place % len(data) for place in places}), len(data)]
    return [data[a:b] for a, b in pairwise(marks) if a < b]


def _chunked(answer: bytes) -> bytes:
    """The body of an answer that was sent in two chunks."""
    body, rest = b"", answer
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if not int(size, 16):
            return body
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]


@settings(deadline=None)
@given(
    asked=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=3),
    places=st.lists(st.integers(0, 10_000), max_size=6),
)
async def test_every_body_arrives_with_an_offer_and_without(
    asked: list[bytes], places: list[int]
) -> None:
    """Several requests of one connection, some of which come before the last is answered."""
    wire = await _exchange(_cut(b"".join(asked), places))
    answers = wire.written.split(b"HTTP/1.1 ")[1:]
    assert [answer.partition(b"\r\n")[0] for answer in answers] == [b"200 OK"] * len(asked)
    bodies = [_chunked(answer.partition(b"\r\n\r\n")[2]) for answer in answers]
    assert bodies == [BODY] * len(asked)


@settings(deadline=None)
@given(
    offer=st.sampled_from([b"", H2C, WEBSOCKET, b"Connection: keep-alive\r\n"]),
    places=st.lists(st.integers(0, 10_000), max_size=6),
)
async def test_a_client_of_http_1_0_gets_no_chunks_and_the_end_of_the_connection(
    offer: bytes, places: list[int]
) -> None:
    wire = await _exchange(_cut(_post(OLD, offer, LENGTH, BODY), places))
    head, _, body = wire.written.partition(b"\r\n\r\n")
    assert b"200" in head.partition(b"\r\n")[0]
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert body == BODY
    assert wire.is_closing()


@pytest.mark.parametrize(
    "request_",
    [
        b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"x" * MOST_REQUEST_LINE,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",  # A client that speaks TLS.
    ],
)
async def test_what_is_no_request_is_refused_at_once(request_: bytes) -> None:
    wire = await _exchange([request_])
    assert wire.written.startswith(b"HTTP/1.1 400 ")
    assert wire.written.endswith(INVALID.encode())
    assert wire.is_closing()
