"""Whatever an expert sends becomes typed chunks, or that expert's error."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import BadOutput, ExpertError, ExpertMisconfigured, ExpertRefused
from experts.types import Chunk, Usage
from experts.upstream import answers
from experts.upstream.answers import (
    check_whole,
    parse_chunk,
    read_beginning,
    read_body,
    sound_part,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
)
KEYS = ["choices", "delta", "content", "text", "usage", "logprobs", "finish_reason", "error"]
EVENTS = st.recursive(
    JSON,
    lambda inner: st.dictionaries(st.sampled_from(KEYS), inner | st.lists(inner, max_size=2)),
    max_leaves=12,
)


def _parsed(data: bytes) -> Chunk | ExpertError:
    try:
        return parse_chunk("tiny", data)
    except ExpertError as error:
        return error


@given(EVENTS)
def test_any_json_is_a_chunk_or_an_error_of_its_expert(event: Any) -> None:
    found = _parsed(json.dumps(event).encode())
    assert isinstance(found, Chunk) or found.expert == "tiny"


@given(st.binary(max_size=40))
def test_any_bytes_are_a_chunk_or_an_error_of_their_expert(data: bytes) -> None:
    found = _parsed(data)
    assert isinstance(found, Chunk) or found.expert == "tiny"


@pytest.mark.parametrize(
    ("event", "place"),
    [
        ("null", "the event"),
        ("[1]", "the event"),
        ("not JSON", "the event"),
        ('{"choices": ["x"]}', "choices.0"),
        ('{"choices": [{"delta": "x"}]}', "choices.0.delta"),
        ('{"choices": [{"delta": {"content": 7}}]}', "choices.0.delta.content.str"),
        ('{"choices": [{"message": "x"}]}', "choices.0.message"),
        ('{"choices": 1}', "choices"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(event: str, place: str) -> None:
    with pytest.raises(BadOutput, match=rf"Expert tiny sent .* \({place}: "):
        parse_chunk("tiny", event.encode())


@pytest.mark.parametrize(
    ("event", "chunk"),
    [
        ({"choices": [{"delta": None}], "error": None}, Chunk("")),
        ({"choices": [], "usage": {"completion_tokens": 2}}, Chunk("", None, Usage(0, 2))),
        ({"choices": [], "usage": {"prompt_tokens": 2}}, Chunk("", None, Usage(2, 0))),
        ({"choices": None, "usage": {}}, Chunk("")),
        ({"choices": [], "usage": {"prompt_tokens": -1, "completion_tokens": 2}}, Chunk("")),
        ({"choices": [], "usage": "none"}, Chunk("")),
        ({"choices": [{"delta": {"content": None}, "finish_reason": "stop"}]}, Chunk("", "stop")),
        (
            {"choices": [{"delta": {"content": [{"type": "text", "text": "a"}, "b"]}}]},
            Chunk("ab"),
        ),
        ({"choices": [{"delta": {"content": [{"type": "image"}]}}]}, Chunk("")),
        ({"choices": [{"message": {"content": "a"}}], "error": {}}, Chunk("a")),
        ({"choices": [{"text": "a", "logprobs": {"token_logprobs": [math.nan]}}]}, Chunk("a")),
        ({"choices": [{"text": "a", "logprobs": []}]}, Chunk("a")),
        ({"choices": [{"text": "a", "logprobs": {"content": ["x"]}}]}, Chunk("a")),
        ({"choices": [{"text": "a", "finish_reason": "stop"}]}, Chunk("a", "stop")),
        (
            {"choices": [{"text": "a", "logprobs": {"token_logprobs": [None, -1.0]}}]},
            Chunk("a", logprobs=(-1.0,)),
        ),
    ],
)
def test_what_is_odd_but_harmless_is_read(event: Any, chunk: Chunk) -> None:
    assert parse_chunk("tiny", json.dumps(event).encode()) == chunk


@pytest.mark.parametrize("error", ["it broke", {"message": "it broke"}, {"message": ["it broke"]}])
def test_an_error_event_is_the_experts_refusal(error: Any) -> None:
    with pytest.raises(ExpertRefused, match="it broke"):
        parse_chunk("tiny", json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("application/json", "null", "the body"),
        ("application/json", "[]", "the body"),
        ("application/json", "<html>", "the body"),
        ("application/json", "{}", "without choices"),
        ("application/json", '{"choices": ["x"]}', "choices.0"),
        ("application/json", " \n", "an empty answer"),
        ("", "", "an empty answer"),
        ("text/html", "<html>", "instead of JSON"),
        ("text/" + "x" * 900, "<html>", "text/x{75} instead of JSON"),
    ],
)
def test_a_whole_answer_must_be_one(kind: str, body: str, words: str) -> None:
    with pytest.raises(BadOutput, match=words):
        check_whole("tiny", kind, body.encode())


def test_a_whole_answer_passes() -> None:
    check_whole("tiny", "application/json; charset=utf-8", b'{"choices": [{"message": {}}]}')
    with pytest.raises(ExpertRefused, match="it broke"):
        check_whole("tiny", "application/json", b'{"error": {"message": "it broke"}}')


@pytest.mark.parametrize(
    ("error", "status"),
    [({"message": "bad n", "code": 400}, 400), ({"message": "slow", "code": "429"}, 429)],
)
def test_an_error_inside_an_answer_may_tell_its_status(error: Any, status: int) -> None:
    with pytest.raises(ExpertRefused) as caught:
        parse_chunk("tiny", json.dumps({"error": error}).encode())
    assert caught.value.status == status


def test_an_error_inside_an_answer_may_be_about_us() -> None:
    with pytest.raises(ExpertMisconfigured) as caught:
        parse_chunk("tiny", b'{"error": {"message": "bad key sk-abcdef", "code": 401}}')
    assert "sk-" not in str(caught.value)


async def _blocks(*blocks: bytes) -> Any:
    for block in blocks:
        yield block


GOOD = b'data: {"choices": [{"delta": {"content": "\\"error\\""}}], "error": null}\n\n'
BROKEN = b'data: {"error": {"message": "it broke"}}\n\n'


async def test_a_stream_is_read_up_to_its_first_event() -> None:
    blocks = _blocks(b": wait\n\n", b"\n\n", GOOD, GOOD)
    assert await read_beginning("tiny", blocks) == b": wait\n\n\n\n" + GOOD
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
        await read_beginning("tiny", _blocks(block))
    assert (caught.value.code, caught.value.expert) == (kind, "tiny")


def test_what_came_before_an_error_event_is_kept() -> None:
    before, error = sound_part("tiny", GOOD + GOOD + BROKEN + GOOD)
    assert before == GOOD + GOOD
    assert isinstance(error, ExpertRefused)
    assert sound_part("tiny", GOOD + GOOD) == (GOOD + GOOD, None)


@pytest.mark.parametrize("rest", [b"d", b"data: {", b": comm", b"data", b"data: [DONE"])
def test_half_an_event_is_left_out(rest: bytes) -> None:
    assert sound_part("tiny", GOOD + rest) == (GOOD, None)


@pytest.mark.parametrize("rest", [b"data: [DONE]", b"data: {}", GOOD.strip()])
def test_a_last_event_without_its_empty_line_is_kept(rest: bytes) -> None:
    assert sound_part("tiny", GOOD + rest) == (GOOD + rest, None)


async def test_a_body_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_BODY_BYTES", 10)
    assert await read_body("tiny", _blocks(b"12345", b"67890")) == b"1234567890"
    with pytest.raises(BadOutput, match="does not end"):
        await read_body("tiny", _blocks(b"12345", b"67890", b"1"))
