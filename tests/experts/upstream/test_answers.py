"""Whatever an expert sends becomes typed chunks, or that expert's error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import BadOutput, ExpertError, ExpertMisconfigured, ExpertRefused
from experts.types import Chunk, Usage
from experts.upstream import answers
from experts.upstream.answers import check_whole, choices_of, parse_chunk, read_body

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


ODD_COUNTS = [
    (name, told)
    for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    for told in (-3, 10**30, "7", 1.5, True, [1])
]


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
        *[(json.dumps({"usage": {name: told}}), f"usage.{name}") for name, told in ODD_COUNTS],
        ('{"usage": "7"}', "usage"),
        ('{"usage": []}', "usage"),
        ('{"choices": [{"message": {"tool_calls": ["x"]}}]}', "choices.0.message.tool_calls.0"),
        (
            '{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": {}}}]}}]}',
            "choices.0.delta.tool_calls.0.function.arguments",
        ),
        ('{"choices": [{"logprobs": "x"}]}', "choices.0.logprobs"),
        ('{"choices": [{"logprobs": {"content": ["x"]}}]}', "choices.0.logprobs.content.0"),
        ('{"choices": [{"index": "0"}]}', "choices.0.index"),
        ('{"choices": [{"index": -1}]}', "choices.0.index"),
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
        ({"choices": [], "usage": None}, Chunk("")),
        ({"choices": [{"index": 0, "delta": {"tool_calls": [{"id": "c"}]}}]}, Chunk("")),
        ({"choices": [{"delta": {"content": None}, "finish_reason": "stop"}]}, Chunk("", "stop")),
        (
            {"choices": [{"delta": {"content": [{"type": "text", "text": "a"}, "b"]}}]},
            Chunk("ab"),
        ),
        ({"choices": [{"delta": {"content": [{"type": "image"}]}}]}, Chunk("")),
        ({"choices": [{"message": {"content": "a"}}], "error": {}}, Chunk("a")),
        ({"choices": [{"text": "a", "logprobs": {"content": [], "more": 1}}]}, Chunk("a")),
        ({"choices": [{"text": "a \ud83d, \U0001f600"}]}, Chunk("a \ufffd, \U0001f600")),
        ({"choices": [{"text": "a \\ud83d NaN"}]}, Chunk("a \\ud83d NaN")),
        ({"choices": [{"text": "a", "finish_reason": "stop"}]}, Chunk("a", "stop")),
        (
            {"choices": [{"text": "a", "logprobs": {"token_logprobs": [None, -1.0]}}]},
            Chunk("a", logprobs=(-1.0,)),
        ),
    ],
)
def test_what_is_odd_but_harmless_is_read(event: Any, chunk: Chunk) -> None:
    assert parse_chunk("tiny", json.dumps(event).encode()) == chunk


@given(JSON, st.sampled_from(["NaN", "Infinity", "-Infinity"]), st.sampled_from(["x", "usage"]))
def test_what_is_no_json_number_is_no_answer(tree: Any, number: str, key: str) -> None:
    sound = json.dumps({"choices": [{"message": {}, "more": tree}]})
    odd = f'{sound[:-1]}, "{key}": {{"deep": [{number}]}}}}'
    with pytest.raises(BadOutput, match="not OpenAI's format"):
        check_whole("tiny", "application/json", odd.encode())


@given(st.integers(1, 4), st.lists(st.none() | st.integers(0, 6), min_size=1, max_size=6))
def test_only_the_choices_that_were_asked_for_are_an_answer(
    count: int, indices: list[int | None]
) -> None:
    choices = [{"index": index, "text": str(index)} for index in indices]
    data = json.dumps({"choices": choices}).encode()
    asked = len(indices) <= count and all((index or 0) < count for index in indices)
    if asked:
        first = next((str(index) for index in indices if not index), "")
        assert parse_chunk("tiny", data, (), count).text == first
        check_whole("tiny", "application/json", data, (), count)
    else:
        with pytest.raises(BadOutput, match="not asked for"):
            parse_chunk("tiny", data, (), count)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({}, 1),
        ({"n": None, "prompt": "a"}, 1),
        ({"n": 3, "messages": []}, 3),
        ({"n": 2, "prompt": ["a", "b"]}, 4),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": [[1], [2, 3]]}, 2),
        ({"prompt": []}, 1),
    ],
)
def test_how_many_choices_a_request_asks_for(body: Any, count: int) -> None:
    assert choices_of(body) == count


@pytest.mark.parametrize(
    "error", ["it broke", {"message": "/srv/x broke"}, {"message": ["it broke"], "code": 503}]
)
def test_an_error_event_is_the_experts_failure_in_our_words(error: Any) -> None:
    with pytest.raises(ExpertRefused, match="server of expert tiny failed") as caught:
        parse_chunk("tiny", json.dumps({"error": error}).encode())
    assert (caught.value.status, caught.value.body) == (502, {})


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("application/json", "null", "the body"),
        ("application/json", "[]", "the body"),
        ("application/json", "<html>", "the body"),
        ("application/json", "{}", "without choices"),
        ("application/json", '{"choices": ["x"]}', "choices.0"),
        ("application/json", '{"choices": [{"message": null}]}', "without `message` or `text`"),
        ("application/json", '{"choices": [{"text": null}]}', "without `message` or `text`"),
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
    with pytest.raises(ExpertRefused, match="tiny failed"):
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


async def test_a_body_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_BODY_BYTES", 10)
    assert await read_body("tiny", _blocks(b"12345", b"67890")) == b"1234567890"
    with pytest.raises(BadOutput, match="does not end"):
        await read_body("tiny", _blocks(b"12345", b"67890", b"1"))


async def test_a_byte_order_mark_is_not_part_of_a_body() -> None:
    assert await read_body("tiny", _blocks(b"\xef", b"\xbb\xbf{}")) == b"{}"
