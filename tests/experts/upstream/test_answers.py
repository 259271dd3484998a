"""Whatever an expert sends becomes typed chunks, or that expert's error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import BadOutput, ExpertError, ExpertRefused
from experts.types import Chunk, Usage
from experts.upstream.answers import check_whole, parse_chunk

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
        ('{"choices": [{"delta": {"content": 7}}]}', "choices.0.delta.content"),
        ('{"choices": [{"delta": {"content": [{"type": "text"}]}}]}', "choices.0.delta.content"),
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
        ({"choices": None, "usage": {}}, Chunk("", None, Usage())),
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
        ("text/html", "<html>", "instead of JSON"),
    ],
)
def test_a_whole_answer_must_be_one(kind: str, body: str, words: str) -> None:
    with pytest.raises(BadOutput, match=words):
        check_whole("tiny", kind, body.encode())


def test_a_whole_answer_passes() -> None:
    check_whole("tiny", "application/json; charset=utf-8", b'{"choices": [{"message": {}}]}')
    with pytest.raises(ExpertRefused, match="it broke"):
        check_whole("tiny", "application/json", b'{"error": {"message": "it broke"}}')
