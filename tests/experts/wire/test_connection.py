"""Answers as real servers send them, cut anywhere, over a transport that is none."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.wire.connection import MOST_HEAD, Connection
from experts.wire.response import MOST_UNREAD, Response

BODY = b"data: {}\n\ndata: [DONE]\n\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-One: a\r\nx-one: b\r\n\r\n%b" % (
    len(BODY),
    BODY,
)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx-one: a, b\r\n\r\n"
    b"5\r\ndata:\r\n%x\r\n%b\r\n0\r\nx-one: trailer\r\n\r\n" % (len(BODY) - 5, BODY[5:])
)
UNTIL_THE_END = b"HTTP/1.1 200 OK\r\nX-One: a, b\r\n\r\n" + BODY
EARLY = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"


class Wire(asyncio.Transport):
    """What a connection does to its transport."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.reading = True
        self.gone = False

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def is_closing(self) -> bool:
        return self.gone

    def close(self) -> None:
        self.gone = True

    def abort(self) -> None:
        self.gone = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Asked:
    """A connection with a request on its way, and what it tells its owner."""

    def __init__(self, timeout_s: float = 600.0) -> None:
        self.freed = 0
        self.wire = Wire()
        self.connection = Connection(self._free, lambda _: None)
        self.connection.connection_made(self.wire)
        self.response = self.connection.ask(b"POST / HTTP/1.1\r\n\r\n", timeout_s)

    def _free(self, _: Connection) -> None:
        self.freed += 1

    def get(self, *pieces: bytes) -> Response:
        for piece in pieces:
            self.connection.data_received(piece)
        return self.response


async def _read(response: Response) -> bytes:
    while not response.status:
        await response.news()
    return b"".join(await _pieces(response))


async def _pieces(response: Response) -> list[bytes]:
    found = []
    while piece := await response.more():
        found.append(piece)
    return found


def _cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    marks = [0, *sorted({place % len(data) for place in places}), len(data)]
    return [data[a:b] for a, b in pairwise(marks) if a < b]


@given(
    answer=st.sampled_from([LENGTH, CHUNKED]),
    early=st.sampled_from([b"", EARLY, EARLY + EARLY]),
    places=st.lists(st.integers(0, 10_000), max_size=6),
)
async def test_a_body_arrives_whole_however_it_is_cut(
    answer: bytes, early: bytes, places: list[int]
) -> None:
    asked = Asked()
    response = asked.get(*_cut(early + answer, places))
    assert await _read(response) == BODY
    assert (response.status, response.headers["x-one"]) == (200, "a, b")
    assert (asked.freed, asked.connection.open) == (1, True)


async def test_a_body_without_a_length_ends_with_its_connection() -> None:
    asked = Asked()
    response = asked.get(UNTIL_THE_END)
    asked.connection.connection_lost(None)
    assert await _read(response) == BODY
    assert asked.freed == 1


@pytest.mark.parametrize("answer", [LENGTH[:-1], CHUNKED[:-5], b"", b"HTTP/1.1 200 OK\r\n"])
async def test_a_connection_that_ends_early_breaks_the_answer_off(answer: bytes) -> None:
    asked = Asked()
    response = asked.get(*filter(None, [answer]))
    asked.connection.connection_lost(None)
    with pytest.raises(httpx.RemoteProtocolError, match="closed in mid-answer"):
        await _read(response)
    assert asked.freed == 1


async def test_a_connection_that_breaks_is_no_end_of_a_body() -> None:
    asked = Asked()
    response = asked.get(UNTIL_THE_END)
    asked.connection.connection_lost(OSError("reset"))
    with pytest.raises(httpx.RemoteProtocolError, match="reset"):
        await _read(response)


@pytest.mark.parametrize(
    "answer",
    [
        b"220 mail.test ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x-many: headers\r\n" * (MOST_HEAD // 17 + 1),
    ],
    ids=["no http", "bad length", "upgrade", "head without end"],
)
async def test_what_is_no_answer_ends_the_connection(answer: bytes) -> None:
    asked = Asked()
    response = asked.get(answer)
    with pytest.raises(httpx.RemoteProtocolError):
        await _read(response)
    assert (asked.freed, asked.wire.gone) == (1, True)


@pytest.mark.parametrize("more", [b"x", LENGTH])
async def test_bytes_that_nobody_has_asked_for_end_the_connection(more: bytes) -> None:
    asked = Asked()
    assert await _read(asked.get(LENGTH)) == BODY
    asked.get(more)
    assert (asked.freed, asked.wire.gone) == (1, True)


async def test_an_answer_that_ends_its_connection_leaves_none_behind() -> None:
    asked = Asked()
    closing = LENGTH.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)
    assert await _read(asked.get(closing)) == BODY
    assert not asked.connection.open


async def test_a_server_waits_for_a_slow_reader() -> None:
    asked = Asked()
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (3 * MOST_UNREAD)
    response = asked.get(head, b"x" * (MOST_UNREAD + 1))
    assert not asked.wire.reading
    assert len(await response.more()) == MOST_UNREAD + 1
    assert asked.wire.reading
    await response.aclose()
    assert (asked.freed, asked.wire.gone) == (1, True)


async def test_what_has_arrived_is_read_as_one_piece() -> None:
    asked = Asked()
    assert await _pieces(asked.get(CHUNKED)) == [BODY]


async def test_silence_is_told_from_a_slow_reader() -> None:
    asked = Asked(timeout_s=0.02)
    with pytest.raises(httpx.ReadTimeout, match=r"silent for 0\.02 s"):
        await _read(asked.response)
    assert (asked.freed, asked.wire.gone) == (1, True)


async def test_a_closed_answer_says_so_to_who_reads_on() -> None:
    asked = Asked()
    response = asked.get(LENGTH[:-1])
    response.close()
    response.close()
    with pytest.raises(httpx.ReadError):
        await _read(response)
    assert asked.freed == 1


async def test_a_request_is_one_write() -> None:
    assert cast("list[bytes]", Asked().wire.sent) == [b"POST / HTTP/1.1\r\n\r\n"]
