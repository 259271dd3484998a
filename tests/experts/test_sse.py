"""Server-sent events are read as the standard says, wherever their bytes are cut."""

import re
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts import sse
from experts.errors import BadOutput
from experts.sse import EventParser, data_of, events, split_events, whole_events

ENDS = ["\n", "\r\n", "\r"]
FIELDS = ["data:", "data: ", "data", "data:  x", "event: a", "id: 7", "retry: 1", ": data: x", ""]
TEXTS = st.text(st.sampled_from("aé😀:d \u2028\u2029\x85\x0b\x0c\x1c\x00"), max_size=6)
LINES = st.tuples(st.sampled_from([*FIELDS, "datum: ", " data: ", "DATA: "]), TEXTS).map("".join)
STREAMS = st.builds(
    lambda bom, lines: ("\ufeff" if bom else "") + "".join(line + end for line, end in lines),
    st.booleans(),
    st.lists(st.tuples(LINES | st.just(""), st.sampled_from(ENDS)), max_size=12),
)
CUTS = st.lists(st.integers(0, 80), max_size=12)


async def _pieces(parts: Sequence[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def _read(*parts: bytes) -> list[bytes]:
    return [data async for data in events("tiny", _pieces(parts))]


def _cut(whole: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    return [whole[a:b] for a, b in pairwise(places)]


def _by_the_standard(stream: str) -> list[str]:
    """The algorithm of section 9.2.6, word for word, over the whole text."""
    *lines, _ = re.split("\r\n|\n|\r", stream.removeprefix("\ufeff"))
    found, data = [], ""
    for line in lines:
        if line == "":
            if data:
                found.append(data.removesuffix("\n"))
            data = ""
            continue
        name, _, value = line.partition(":")
        if name == "data":
            data += value.removeprefix(" ") + "\n"
    return found


@given(STREAMS, CUTS)
def test_it_reads_what_the_standards_own_algorithm_reads(stream: str, cuts: list[int]) -> None:
    parser = EventParser()
    found = [data for part in _cut(stream.encode(), cuts) for data in parser.feed(part)]
    assert found == [data.encode() for data in _by_the_standard(stream)]


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        # The examples of the standard, section 9.2.6.
        ("data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n",
         ["first event", "second event"]),
        ("data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        ("data:test\n\ndata: test\n\n", ["test", "test"]),
        ("data:  third\n\n", [" third"]),
    ],
)  # fmt: skip
def test_the_standards_examples(stream: str, found: list[str]) -> None:
    assert EventParser().feed(stream.encode()) == [data.encode() for data in found]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@given(cuts=st.lists(st.integers(0, 60), max_size=6))
async def test_events_are_found_wherever_the_stream_is_cut(end: bytes, cuts: list[int]) -> None:
    lines = [b": a comment", b"", b"data: one", b"", b"event: x", b"data:two", b"data: three", b""]
    whole = end.join([*lines, "data: l\u2028\x85ine".encode(), b"", b"data: [DONE]", b"", b""])
    expected = [b"one", b"two\nthree", "l\u2028\x85ine".encode(), b"[DONE]"]
    assert await _read(*_cut(whole, cuts)) == expected


async def test_the_last_event_needs_no_empty_line() -> None:
    assert await _read(b"data: one\n\ndata: [DONE]") == [b"one", b"[DONE]"]


async def test_an_event_is_found_as_soon_as_its_empty_line_is_there() -> None:
    parser = EventParser()
    assert parser.feed(b"data: one\r\n\r") == [b"one"]
    assert parser.feed(b"\ndata: two\n\n") == [b"two"]


@pytest.fixture
def small_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)


@pytest.mark.usefixtures("small_bound")
@pytest.mark.parametrize("read", [events, whole_events])
async def test_an_event_without_end_is_not_waited_for(read: object) -> None:
    assert callable(read)
    parts = [b"data: one\n\n"] * 40 + [b"data: ", b"x" * 101]
    blocks = read("tiny", _pieces(parts))
    for _ in range(40):
        await anext(blocks)
    with pytest.raises(BadOutput, match="does not end"):
        await anext(blocks)


@given(STREAMS, CUTS, st.binary(max_size=8))
async def test_bytes_are_cut_where_events_end_and_are_the_same(
    stream: str, cuts: list[int], rest: bytes
) -> None:
    whole = stream.encode() + rest
    blocks = [block async for block in whole_events("tiny", _pieces(_cut(whole, cuts)))]
    assert b"".join(blocks) == whole
    assert all(re.search(rb"(\n|\r)(\n|\r)\Z", block) for block in blocks[:-1])
    assert all(b"".join(split_events(block)) == block for block in blocks)


async def test_good_pieces_are_not_even_copied() -> None:
    parts = [b"data: one\n\n", b"data: two\n\ndata: three\n\n"]
    blocks = [block async for block in whole_events("tiny", _pieces(parts))]
    assert all(block is part for block, part in zip(blocks, parts, strict=True))


def test_the_data_of_one_event() -> None:
    block = b": hi\n\ndata: one\n\ndata: two\r\ndata: more\r\n\r\n"
    assert [data_of(event) for event in split_events(block)] == [b"", b"one", b"two\nmore"]
