"""What a pool says that does not know: checked like any request, and within what was asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import RequestError
from experts.types import Request
from orchestrator.request.terms.abstention import abstention, worded
from routers.base import Decision

SENTENCE = "No expert here knows enough about this to answer it."

NAMED = {"type": "function", "function": {"name": "look"}}
TOOLS = [NAMED]


class Nobody:
    """Says that nobody knows."""

    name = "one"

    def route(self, requests: Any) -> list[Decision]:
        told = Decision("one", (("tiny", 0.1),), "Far.", fallback="abstain", message=SENTENCE)
        return [told for _ in requests]


@pytest.fixture(scope="module")
async def pool(serve: Any) -> Any:
    """A pool that never knows."""
    return await serve(routers={"one": Nobody()})


async def refused(pool: Any, **fields: Any) -> Any:
    answer = await pool.chat("x", "pool/auto", **fields)
    assert answer.status_code == 400
    return answer.json()["error"]["param"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"structured_outputs": {"regex": "a"}}, "structured_outputs"),
        ({"tools": TOOLS, "tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": NAMED}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": "sometimes"}, "tool_choice"),
        ({"coterie": {"role": "q"}}, "coterie.role"),
        ({"min_tokens": 500}, "min_tokens"),
        ({"echo": True}, "echo"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logit_bias": {"99999999": 1}}, "logit_bias"),
        ({"allowed_token_ids": [1]}, "allowed_token_ids"),
        ({"chat_template": "{{"}, "chat_template"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["audio"]}, "modalities"),
    ],
)
async def test_what_the_sentence_cannot_be_is_refused_with_the_reason(
    pool: Any, fields: dict[str, Any], param: str
) -> None:
    assert await refused(pool, **fields) == param


async def test_a_prompt_is_checked_first(pool: Any) -> None:
    answer = await pool.http.post("/v1/completions", json={"model": "pool/auto", "prompt": 5})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt")


@pytest.mark.parametrize("stream", [False, True])
async def test_copies_are_made_and_bounds_kept(pool: Any, stream: bool) -> None:
    messages: Any = [{"role": "user", "content": "x"}]
    asked = {"model": "pool/auto", "messages": messages, "n": 3, "max_completion_tokens": 2}
    answer = await pool.openai.chat.completions.create(**asked, stream=stream)
    if stream:
        choices = [choice async for chunk in answer for choice in chunk.choices]
        texts = [choice.delta.content for choice in choices]
    else:
        choices = answer.choices
        texts = [choice.message.content for choice in choices]
    assert [choice.index for choice in choices] == [0, 1, 2]
    assert texts == ["No expert"] * 3
    assert {choice.finish_reason for choice in choices} == {"length"}


async def test_tools_that_need_not_be_called_are_no_obstacle(pool: Any) -> None:
    answer = await pool.chat("x", "pool/auto", tools=TOOLS, tool_choice="auto")
    assert answer.json()["choices"][0]["message"]["content"] == SENTENCE


async def test_each_prompt_gets_the_sentence(pool: Any) -> None:
    answer = await pool.openai.completions.create(model="pool/auto", prompt=["a", "b"], echo=True)
    assert [choice.text for choice in answer.choices] == [f"a{SENTENCE}", f"b{SENTENCE}"]


@given(st.text(), st.integers(0, 9), st.lists(st.text(max_size=2), max_size=3))
def test_the_words_are_the_sentences_beginning(message: str, most: int, stops: list[str]) -> None:
    text, finish = worded({"max_tokens": most, "stop": stops}, message)
    assert message.startswith(text)
    assert len(text.split()) <= most
    assert not any(stop and stop in text for stop in stops)
    assert finish == "stop" or len(message.split()) > most


@given(st.integers(1, 5), st.booleans())
def test_a_body_has_as_many_choices_as_were_asked_for(count: int, stream: bool) -> None:
    request = Request("r", "completions", {"prompt": "x", "n": count, "stream": stream})
    raw = abstention(request, "m", SENTENCE)
    if stream:
        events = [event.removeprefix(b"data: ") for event in raw.split(b"\n\n") if event]
        assert events.pop() == b"[DONE]"
        choices = [choice for event in events for choice in json.loads(event)["choices"]]
    else:
        choices = json.loads(raw)["choices"]
    assert [(one["index"], one["text"]) for one in choices] == [
        (number, SENTENCE) for number in range(count)
    ]


def test_the_reason_stands_in_the_refusal() -> None:
    body = {"messages": [], "response_format": {"type": "json_schema"}}
    with pytest.raises(RequestError, match=r"No expert here knows.*in the form that was asked for"):
        abstention(Request("r", "chat/completions", body), "m", SENTENCE)
