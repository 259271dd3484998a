"""Of a stream, only events pass that are some; what follows is their expert's error."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import BadOutput, ExpertError, ExpertRefused
from experts.sse import DONE, EventParser
from experts.upstream.answers import answer_of
from experts.upstream.streams import StreamCheck, frame_of


async def _blocks(*blocks: bytes) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


GOOD = b'data: {"choices": [{"delta": {"content": "\\"error\\""}}], "error": null}\n\n'
BROKEN = b'data: {"error": {"message": "it broke"}}\n\n'


async def test_a_stream_is_read_up_to_its_first_event() -> None:
    blocks = _blocks(b": wait\n\n", b"\n\n", GOOD, GOOD)
    assert await StreamCheck("tiny").beginning(blocks) == b": wait\n\n\n\n" + GOOD
    assert [block async for block in blocks] == [GOOD]


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (b"data: null\n\n", "bad_output"),
        (b"<html>", "bad_output"),
        (b": comment\n\n", "bad_output"),
        (b"", "expert_lost"),
        (BROKEN, "expert_refused"),
        (BROKEN.strip(), "expert_refused"),
    ],
)
async def test_a_stream_that_begins_badly_is_its_experts_error(block: bytes, kind: str) -> None:
    with pytest.raises(ExpertError) as caught:
        await StreamCheck("tiny").beginning(_blocks(block))
    assert (caught.value.code, caught.value.expert) == (kind, "tiny")


def test_what_came_before_an_error_event_is_kept() -> None:
    before, error = StreamCheck("tiny").part(GOOD + GOOD + BROKEN + GOOD)
    assert before == GOOD + GOOD
    assert isinstance(error, ExpertRefused)
    assert StreamCheck("tiny").part(GOOD + GOOD) == (GOOD + GOOD, None)


@pytest.mark.parametrize("rest", [b"d", b"data: {", b": comm", b"data", b"data: [DONE"])
def test_half_an_event_is_left_out(rest: bytes) -> None:
    assert StreamCheck("tiny").part(GOOD + rest) == (GOOD, None)


@pytest.mark.parametrize("rest", [b"data: [DONE]", b"data: {}", GOOD.strip()])
def test_a_last_event_without_its_empty_line_is_kept(rest: bytes) -> None:
    assert StreamCheck("tiny").part(GOOD + rest) == (GOOD + rest, None)


TREES = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["choices", "delta", "usage", "index"]), inner)
    ),
)
DATA = (
    TREES.map(lambda tree: json.dumps(tree).encode())
    | st.sampled_from([b"", b"{nope", DONE, b'{"choices": []}'])
    | st.binary(max_size=8).map(lambda raw: raw.translate(None, b"\r\n"))
)
FORMS = st.sampled_from([b"data: %b\n\n", b"data:%b\r\n\r\n", b": hi\n\ndata: %b\n\n"])


@given(st.lists(st.tuples(FORMS, DATA), max_size=6), st.booleans())
def test_whatever_passes_is_read_by_any_client(sent: list[Any], at_once: bool) -> None:
    events = [form % data for form, data in sent]
    check = StreamCheck("tiny")
    passed = b""
    for block in [b"".join(events)] if at_once else events:
        part, failure = check.part(block)
        passed += part
        if failure is not None:
            assert (failure.code, failure.expert) == ("bad_output", "tiny")
            break
    found = EventParser().feed(passed)
    assert DONE not in found[:-1]
    for data in found:
        if data.strip() != DONE:
            _read(data)


def _read(data: bytes) -> None:
    tree = json.loads(data, parse_constant=pytest.fail)
    assert isinstance(tree.get("choices") or [], list)


@pytest.mark.parametrize(
    "odd",
    [
        b"{nope",
        b"null",
        b'{"choices": {"a": 1}}',
        b'{"choices": [{"delta": {"content": 7}}]}',
        b'{"choices": [{"index": 5, "delta": {"content": "7"}}]}',
        b'{"choices": [], "usage": "x"}',
        b'{"choices": [], "more": NaN}',
    ],
)
@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
def test_an_odd_event_in_mid_stream_ends_it(odd: bytes, end: bytes) -> None:
    check = StreamCheck("tiny")
    assert check.part(GOOD) == (GOOD, None)
    before, error = check.part(GOOD + b"data: " + odd + end + GOOD)
    assert before == GOOD
    assert isinstance(error, BadOutput)


@pytest.mark.parametrize("empty", [b"data:\n\n", b"data: \r\n\r\n", b"event: x\ndata\n\n"])
def test_an_event_without_data_is_left_out(empty: bytes) -> None:
    assert StreamCheck("tiny").part(GOOD + empty + GOOD) == (GOOD + GOOD, None)
    assert StreamCheck("tiny").part(empty) == (b"", None)


def test_what_follows_the_end_is_dropped() -> None:
    check = StreamCheck("tiny")
    end = b"data: [DONE]\n\n"
    assert check.part(GOOD + end + GOOD) == (GOOD + end, None)
    assert check.done
    assert check.part(BROKEN) == (b"", None)


async def test_a_byte_order_mark_is_not_part_of_a_stream() -> None:
    assert await StreamCheck("tiny").beginning(_blocks(b"\xef\xbb\xbf" + GOOD)) == GOOD


SHAPES = st.sampled_from(
    [
        '{"choices": [{"index": 0, "delta": {"content": %s}}]}',
        '{"choices": [{"index": 0, "text": %s, "finish_reason": null}], "x": {"content": "y"}}',
        '{"a\\"content": "b", "choices": [{"delta": {"role": "assistant", "content":%s}}]}',
        '{"x": "\\"content\\": \\"", "choices": [{"delta": {"content": %s}}], "usage": null}',
    ]
)
TEXTS = st.text(max_size=8) | st.sampled_from(['"}], "error": {"message": "x"}', "NaN", "\\", "]"])


def _event(shape: str, text: str, *, plain: bool) -> bytes:
    written = json.dumps(text, ensure_ascii=not plain).encode("utf-8", "surrogatepass")
    return b"data: " + shape.encode() % written + b"\n\n"


@given(SHAPES, TEXTS, TEXTS, st.booleans(), st.binary(max_size=4))
def test_what_a_frame_holds_is_as_sound_as_the_event_that_it_is_of(
    shape: str, first: str, second: str, plain: bool, odd: bytes
) -> None:
    frame = frame_of(_event(shape, first, plain=plain))
    if frame is None:
        return
    for event in (_event(shape, second, plain=plain), frame.before + odd + frame.behind):
        if frame.holds(event):
            assert len(EventParser().feed(event)) == 1
            answer_of("tiny", event[6:-2], "the event")


def test_events_that_differ_in_their_text_are_not_read_again() -> None:
    one, other = (_event(_PLAIN_SHAPE, text, plain=True) for text in ("wörd", "日本 word"))
    frame = frame_of(one)
    assert frame is not None
    assert frame.holds(other)
    assert not frame.holds(other.replace(b"null", b"0000"))
    assert not frame.holds(one + other)


_PLAIN_SHAPE = '{"choices": [{"delta": {"content": %s}, "finish_reason": null}]}'


def test_an_error_is_found_among_events_that_are_alike() -> None:
    check = StreamCheck("tiny")
    words = [_event(_PLAIN_SHAPE, f"word {n}", plain=True) for n in range(3)]
    assert check.part(words[0]) == (words[0], None)
    before, error = check.part(words[1] + BROKEN + words[2])
    assert before == words[1]
    assert isinstance(error, ExpertRefused)
    check.part(b"data: [DONE]\n\n")
    assert check.part(words[2]) == (b"", None)
