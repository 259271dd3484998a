"""Server-sent events are read as the standard says, wherever their bytes are cut."""

from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts import sse
from experts.errors import BadOutput
from experts.sse import EventParser, data_of, events, split_events, whole_events

async def _pieces(parts: Sequence[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def _read(*parts: bytes) -> list[bytes]:
    return [data async for data in events("tiny", _pieces(parts))]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@given(cuts=st.lists(st.integers(0, 60), max_size=6))
async def test_events_are_found_wherever_the_stream_is_cut(end: bytes, cuts: list[int]) -> None:
    lines = [b": a comment", b"", b"data: one", b"", b"event: x", b"data:two", b"data: three", b""]
    whole = end.join([*lines, "data: l\u2028\x85ine".encode(), b"", b"data: [DONE]", b"", b""])
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    parts = [whole[a:b] for a, b in pairwise(places)]
    expected = [b"one", b"two\nthree", "l\u2028\x85ine".encode(), b"[DONE]"]
    assert await _read(*parts) == expected


async def test_the_last_event_needs_no_empty_line() -> None:
    assert await _read(b"data: one\n\ndata: [DONE]") == [b"one", b"[DONE]"]


async def test_an_event_without_end_is_not_waited_for() -> None:
    with pytest.raises(BadOutput, match="does not end"):
        await _read(b"data: ", b"x" * (MAX_EVENT_BYTES + 1))


