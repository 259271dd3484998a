"""Whatever an expert says, in whatever pieces: OpenAI's client makes the whole answer of it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from made_messages import CHOICES, HOSTILE, block, sent, stream, whole
from openai import Omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from experts.errors import ExpertLost
from experts.types import Request
from orchestrator.request.context import RequestContext
from orchestrator.server.bodies.agents.response_answers import ResponseEvent, ResponseObject
from orchestrator.server.bodies.agents.responses import ResponsesBody
from orchestrator.server.responses.answering import ResponsesDialect
from orchestrator.server.responses.reading import chat_of
from orchestrator.server.responses.routes import repeated
from orchestrator.server.schemas import parse_body, validated

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
DESCRIBED = TypeAdapter(ResponseEvent)
CUSTOM = {"type": "custom", "name": "patch"}
TOOLS = [{"type": "function", "name": "weather"}, {"type": "function", "name": "read"}, CUSTOM]
_, KNOWN = chat_of(validated(ResponsesBody, {"input": "x", "tools": TOOLS}))


def dialect() -> ResponsesDialect:
    asked = RequestContext(Request("r-1", "chat/completions", {}), "m")
    return ResponsesDialect(asked, repeated({"tools": TOOLS}), KNOWN)


def told() -> Any:
    return {"expert": "tiny"}


def without_ids(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in item.items() if key != "id"} for item in output]


@given(CHOICES, st.integers(1, 5), st.integers(1, 4))
def test_a_stream_says_what_the_whole_answer_says(
    choice: dict[str, Any], size: int, together: int
) -> None:
    expected = json.loads(dialect().whole(whole(choice), told))
    TypeAdapter(ResponseObject).validate_python(expected)
    Response.model_validate(expected)
    words = dialect()
    body = words.opening(told) + b"".join(
        words.piece(one) for one in stream(choice, size, together)
    )
    events = sent(body + words.closing(told))

    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    state: Any = ResponseStreamState(input_tools=Omit(), text_format=Omit())
    for event in events:
        DESCRIBED.validate_python(event)
        state.handle_event(EVENT.validate_python(event))
    final = events[-1]["response"]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert sorted(done, key=lambda one: one["id"]) == sorted(
        final["output"], key=lambda one: one["id"]
    )
    assert without_ids(final["output"]) == without_ids(expected["output"])
    for key in ("status", "usage", "incomplete_details", "coterie"):
        assert final[key] == expected[key]


@given(CHOICES)
def test_an_answer_can_be_sent_back(choice: dict[str, Any]) -> None:
    message = choice["message"]
    output = json.loads(dialect().whole(whole(choice), told))["output"]
    asked = {"model": "m", "tools": TOOLS, "input": [{"role": "user", "content": "x"}, *output]}
    chat, _ = chat_of(validated(ResponsesBody, asked))
    request, _, _ = parse_body({"model": "m", **chat}, "chat/completions", "r")

    said = request.body["messages"][1:]
    expected = {key: value for key, value in message.items() if key != "reasoning"}
    if not (message["content"] or "tool_calls" in message):
        assert said == []
        return
    (found,) = said
    calls = [(one["id"], one["function"]["name"]) for one in found.get("tool_calls", ())]
    assert found["content"] == expected["content"]
    assert calls == [(one["id"], one["function"]["name"]) for one in expected.get("tool_calls", ())]
    for one, other in zip(found.get("tool_calls", ()), expected.get("tool_calls", ()), strict=True):
        if one["function"]["name"] != "patch":
            assert one["function"]["arguments"] == other["function"]["arguments"]


@given(HOSTILE)
def test_no_chunk_breaks_the_events(chunks: list[Any]) -> None:
    words = dialect()
    body = words.opening(told) + b"".join(words.piece(block(chunk)) for chunk in chunks)
    body += words.closing(told)
    kinds = [EVENT.validate_python(event).type for event in sent(body)]
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done")
    assert kinds[-1] in ("response.completed", "response.incomplete")
    for chunk in chunks:
        dialect().whole(json.dumps(chunk).encode(), told)


def test_comments_keep_the_stream_alive() -> None:
    assert dialect().piece(b": tiny has the request\n\n") == b": \n\n"


def test_a_stream_that_never_began_ends_with_an_error() -> None:
    words = dialect()
    (event,) = sent(words.broken(ExpertLost("It is gone.", expert="tiny")))
    found = EVENT.validate_python(event)
    assert (found.type, found.code, found.message) == ("error", "expert_lost", "It is gone.")
