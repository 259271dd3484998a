"""Whatever an expert says, in whatever pieces: Anthropic's client makes the whole message of it."""

from __future__ import annotations

import json
from typing import Any

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from made_messages import CHOICES, HOSTILE, block, sent, stream, whole
from pydantic import TypeAdapter

from experts.errors import ExpertLost
from experts.types import Request
from orchestrator.request.context import RequestContext
from orchestrator.server.bodies.agents.message_answers import (
    AnthropicAnswer,
    AnthropicErrorBody,
    AnthropicEvent,
)
from orchestrator.server.bodies.agents.messages import MessagesBody
from orchestrator.server.messages.answering import MessagesDialect
from orchestrator.server.messages.reading import chat_of
from orchestrator.server.schemas import parse_body, validated

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
DESCRIBED = TypeAdapter(AnthropicEvent)
PING = {"type": "ping"}


def dialect() -> MessagesDialect:
    return MessagesDialect(RequestContext(Request("r-1", "chat/completions", {}), "m"))


def told() -> Any:
    return {"expert": "tiny"}


def accumulated(body: bytes) -> Any:
    """The message that Anthropic's client makes of a stream; it leaves pings out."""
    found, buffers = None, {}
    for event in sent(body):
        DESCRIBED.validate_python(event)
        if event != PING:
            known = EVENT.validate_python(event)
            found = accumulate_event(event=known, current_snapshot=found, json_bufs=buffers)
    return found


@given(CHOICES, st.integers(1, 5), st.integers(1, 4))
def test_a_stream_says_what_the_whole_message_says(
    choice: dict[str, Any], size: int, together: int
) -> None:
    expected = json.loads(dialect().whole(whole(choice), told))
    TypeAdapter(AnthropicAnswer).validate_python(expected)
    known = Message.model_validate(expected)
    words = dialect()
    body = words.opening(told) + b"".join(
        words.piece(one) for one in stream(choice, size, together)
    )
    found = accumulated(body + words.closing(told))

    assert [one.to_dict() for one in found.content] == [one.to_dict() for one in known.content]
    assert (found.stop_reason, found.stop_sequence) == (known.stop_reason, known.stop_sequence)
    assert found.usage.output_tokens == known.usage.output_tokens
    assert found.usage.input_tokens == known.usage.input_tokens


@given(CHOICES)
def test_an_answer_can_be_sent_back(choice: dict[str, Any]) -> None:
    message = choice["message"]
    content = json.loads(dialect().whole(whole(choice), told))["content"]
    turns = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": "y"},
    ]
    asked = {"model": "m", "max_tokens": 8, "messages": turns}
    chat = chat_of(validated(MessagesBody, asked))
    request, _, _ = parse_body({"model": "m", **chat}, "chat/completions", "r")

    _, found, _ = request.body["messages"]
    assert (found["content"] or None) == message["content"]
    calls = [(one["id"], one["function"]) for one in found.get("tool_calls", ())]
    expected = [(one["id"], one["function"]) for one in message.get("tool_calls", ())]
    assert [id for id, _ in calls] == [id for id, _ in expected]
    for (_, one), (_, other) in zip(calls, expected, strict=True):
        assert one["name"] == other["name"]
        assert json.loads(one["arguments"]) == json.loads(other["arguments"])


@given(HOSTILE)
def test_no_chunk_breaks_the_events(chunks: list[Any]) -> None:
    words = dialect()
    body = words.opening(told) + b"".join(words.piece(block(chunk)) for chunk in chunks)
    events = sent(body + words.closing(told))
    kinds = [event["type"] for event in events]
    for event in events:
        if event != PING:
            EVENT.validate_python(event)
    assert kinds.count("content_block_start") == kinds.count("content_block_stop")
    assert kinds[-1] == "message_stop"
    for chunk in chunks:
        dialect().whole(json.dumps(chunk).encode(), told)


def test_comments_are_pings() -> None:
    assert sent(dialect().piece(b": tiny has the request\n\n")) == [PING]


def test_a_stream_that_breaks_ends_with_an_error() -> None:
    (event,) = sent(dialect().broken(ExpertLost("It is gone.", expert="tiny")))
    TypeAdapter(AnthropicErrorBody).validate_python(event)
    assert (event["error"]["type"], event["request_id"]) == ("api_error", "r-1")
