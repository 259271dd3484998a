"""Marks among log-probabilities become names, and nothing else of an answer changes."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from experts.errors import BadOutput, RequestError
from experts.fused.roles import Fused
from experts.types import Request
from orchestrator.request.token_attribution import TokenAttribution, can_tell

MODEL = Fused(("<|role_0|>",), (6,), ("math", "words"), tells="experts")
MARK = "<|role_0|>"


def _request(**body: Any) -> Request:
    return Request("r", "chat/completions", {"messages": [], **body})


def _token(text: str, speaker: int, **others: float) -> dict[str, Any]:
    top = [{"token": MARK, "logprob": -9000.0 - speaker}]
    top += [{"token": name, "logprob": value} for name, value in others.items()]
    return {"token": text, "logprob": -0.5, "top_logprobs": top}


def _chunk(*tokens: dict[str, Any]) -> dict[str, Any]:
    return {"id": "x", "choices": [{"index": 0, "logprobs": {"content": list(tokens)}}]}


def test_the_engine_is_asked_for_the_marks() -> None:
    asked = TokenAttribution("duo", MODEL, _request(stream=True)).request
    assert asked.body == {
        "messages": [],
        "stream": True,
        "logprobs": True,
        "logprob_token_ids": [6],
    }


def test_a_whole_answer_names_who_spoke() -> None:
    body = json.dumps(_chunk(_token("4", 0), _token("x", 1), _token("y", 2))).encode()
    answer = json.loads(TokenAttribution("duo", MODEL, _request()).whole(body))
    told = {"texts": ["4", "x", "y"], "experts": ["math", "words", None]}
    assert answer["choices"] == [{"index": 0, "logprobs": None, "coterie": told}]


def test_log_probabilities_that_were_asked_for_stay_without_the_marks() -> None:
    body = json.dumps(_chunk(_token("4", 0, five=-2.0))).encode()
    answer = json.loads(TokenAttribution("duo", MODEL, _request(logprobs=True)).whole(body))
    (token,) = answer["choices"][0]["logprobs"]["content"]
    assert token["top_logprobs"] == [{"token": "five", "logprob": -2.0}]


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_stream_may_be_cut_anywhere(size: int) -> None:
    events = [
        b": loading x 0.1s",
        b"data: " + json.dumps(_chunk(_token("4", 1))).encode(),
        b'data: {"choices": [], "usage": {"total_tokens": 3}}',
        b"data: [DONE]",
    ]
    raw = b"".join(event + b"\n\n" for event in events)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(raw), size):
            yield raw[start : start + size]

    stream = TokenAttribution("duo", MODEL, _request(stream=True)).stream(pieces())
    got = b"".join([piece async for piece in stream]).split(b"\n\n")
    assert [got[0], *got[3:]] == [events[0], events[3], b""]
    assert json.loads(got[2].removeprefix(b"data: ")) == {
        "choices": [],
        "usage": {"total_tokens": 3},
    }
    (choice,) = json.loads(got[1].removeprefix(b"data: "))["choices"]
    assert choice["coterie"] == {"texts": ["4"], "experts": ["words"]}


def test_a_mixture_tells_its_attention() -> None:
    tokens = tuple(f"<|role_{number}|>" for number in range(5))
    model = Fused(tokens, (3, 5, 6, 7, 9), ("a", "b"), tells="attention", interactions=2)
    insight = TokenAttribution("duo", model, _request())
    assert insight.request.body["logprob_token_ids"] == [3, 5, 6, 7]
    marks = [-9225.0, -9675.0, -9000.0, -9900.0]
    top = [{"token": t, "logprob": v} for t, v in zip(tokens, marks, strict=False)]
    whole = _chunk({"token": "4", "logprob": -0.5, "top_logprobs": top})
    (choice,) = json.loads(insight.whole(json.dumps(whole).encode()))["choices"]
    assert choice["coterie"]["attention"] == [[{"a": 0.25, "b": 0.75}, {"b": 1.0}]]
    # Too few roles for both layers: the first one is told.
    assert Fused(tokens[:3], (3, 5, 6), ("a", "b"), "attention", 2).marks == 2


def test_who_can_not_tell_is_refused() -> None:
    silent = Fused((MARK,), (6,), ("a", "b"))
    with pytest.raises(RequestError, match="FusionRoute"):
        TokenAttribution("duo", silent, _request())
    with pytest.raises(RequestError, match="FusionRoute"):
        TokenAttribution("duo", MODEL, Request("r", "completions", {"prompt": "x"}))


@pytest.mark.parametrize(
    "body",
    [b"null", b"not JSON", b'{"choices": 1}', b'{"choices": [{"logprobs": {"content": [1]}}]}'],
)
def test_an_answer_that_does_not_tell_is_the_experts_bad_output(body: bytes) -> None:
    with pytest.raises(BadOutput, match="Expert duo did not tell"):
        TokenAttribution("duo", MODEL, _request()).whole(body)


def test_what_can_be_told_is_known_beforehand() -> None:
    silent = Fused((MARK,), (6,), ("a", "b"))
    assert can_tell(MODEL, _request())
    assert not can_tell(silent, _request())
    assert not can_tell(None, _request())
    assert not can_tell(MODEL, Request("r", "completions", {"prompt": "x"}))
