"""A request of Anthropic's is a chat that the pipeline takes, or is refused with its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import RequestError
from orchestrator.server.bodies.agents.messages import MessagesBody
from orchestrator.server.messages.reading import chat_of
from orchestrator.server.schemas import parse_body, validated

TEXTS = st.sampled_from(["", "a", "x-anthropic-billing-header: 1", "\n"])
SCALARS = st.none() | st.booleans() | st.integers(-1, 3) | TEXTS | st.just({}) | st.just([])
SOURCES = st.fixed_dictionaries(
    {"type": st.sampled_from(["base64", "url", "file"])},
    optional={"media_type": st.just("image/png"), "data": TEXTS, "url": TEXTS},
)
BLOCKS: st.SearchStrategy[Any] = st.deferred(
    lambda: (
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(
                    ["text", "image", "tool_use", "tool_result", "thinking", "redacted_thinking"]
                )
            },
            optional={
                "text": TEXTS,
                "source": SOURCES,
                "id": TEXTS,
                "tool_use_id": TEXTS,
                "name": TEXTS,
                "input": st.just({"a": 1}) | SCALARS,
                "thinking": TEXTS,
                "data": TEXTS,
                "is_error": st.booleans(),
                "content": TEXTS | st.lists(BLOCKS, max_size=2),
            },
        )
        | SCALARS
    )
)
SOUND_BLOCKS = st.sampled_from(
    [
        {"type": "text", "text": "a"},
        {"type": "image", "source": {"type": "url", "url": "u"}},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
        {"type": "tool_result", "tool_use_id": "c", "content": "r"},
        {"type": "thinking", "thinking": "t", "signature": ""},
    ]
)
MESSAGES = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "system"]),
        "content": TEXTS | st.lists(SOUND_BLOCKS | BLOCKS, max_size=3),
    }
)
BODIES = st.fixed_dictionaries(
    {"model": st.just("m"), "max_tokens": st.just(8), "messages": st.lists(MESSAGES, max_size=4)},
    optional={
        "system": TEXTS | st.lists(SOUND_BLOCKS | BLOCKS, max_size=2),
        "tools": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["f", "g", ""])},
                optional={"input_schema": st.just({}) | SCALARS, "strict": SCALARS},
            ),
            max_size=2,
        ),
        "tool_choice": st.fixed_dictionaries(
            {"type": st.sampled_from(["auto", "any", "tool", "none"])},
            optional={"name": st.sampled_from(["f", "g"]), "disable_parallel_tool_use": SCALARS},
        ),
        "stream": st.booleans(),
        "stop_sequences": st.lists(TEXTS, max_size=5),
        "top_k": SCALARS,
        "thinking": st.fixed_dictionaries({"type": st.sampled_from(["enabled", "disabled", ""])}),
        "output_config": st.fixed_dictionaries(
            {},
            optional={
                "effort": st.sampled_from(["low", "max", "none"]),
                "format": st.just({"type": "json_schema", "schema": {}}) | SCALARS,
            },
        ),
        "metadata": st.fixed_dictionaries({}, optional={"user_id": SCALARS}),
    },
)


def refused_at(body: dict[str, Any]) -> str | None:
    """The field of the body that a refusal names; None where there is none."""
    try:
        chat_of(validated(MessagesBody, body))
    except RequestError as error:
        return (error.param or "").partition(".")[0].partition("[")[0]
    return None


@given(BODIES)
def test_what_is_taken_is_a_chat_that_the_pipeline_takes(body: dict[str, Any]) -> None:
    if (field := refused_at(body)) is not None:
        assert field in body
        return
    chat = chat_of(validated(MessagesBody, body))
    request, model, _ = parse_body({**chat, "model": "m"}, "chat/completions", "r")
    assert model == "m"
    assert request.stream is bool(body.get("stream"))


def messages_of(*messages: Any, **more: Any) -> list[dict[str, Any]]:
    body = {"model": "m", "max_tokens": 8, "messages": list(messages), **more}
    found: list[dict[str, Any]] = chat_of(validated(MessagesBody, body))["messages"]
    return found


def test_what_the_assistant_is_told_first_is_one_message() -> None:
    told = [
        {"type": "text", "text": "x-anthropic-billing-header: v=1; h=2"},
        {"type": "text", "text": "A"},
    ]
    found = messages_of(
        {"role": "system", "content": "B"},
        {"role": "user", "content": "q"},
        {"role": "system", "content": "C"},
        {"role": "user", "content": "r"},
        system=told,
    )
    assert [(one["role"], one["content"]) for one in found] == [
        ("system", "A\n\nB"),
        ("user", "q"),
        ("system", "C"),
        ("user", "r"),
    ]


def test_images_of_a_tool_stand_behind_its_result() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A"}}
    result = {
        "type": "tool_result",
        "tool_use_id": "c",
        "content": [{"type": "text", "text": "seen"}, image],
    }
    tool, user = messages_of({"role": "user", "content": [{"type": "text", "text": "t"}, result]})
    assert tool == {"role": "tool", "tool_call_id": "c", "content": "seen"}
    assert [part["type"] for part in user["content"]] == ["text", "image_url"]
    assert user["content"][1]["image_url"]["url"] == "data:image/png;base64,A"


@pytest.mark.parametrize(
    ("thinking", "effort", "expected"),
    [
        ({"type": "disabled"}, None, "none"),
        ({"type": "enabled", "budget_tokens": 2048}, None, None),
        ({"type": "adaptive"}, "high", "high"),
    ],
)
def test_thinking_is_an_effort(thinking: Any, effort: str | None, expected: str | None) -> None:
    body = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "q"}]}
    told = {**body, "thinking": thinking, "output_config": {"effort": effort}}
    assert chat_of(validated(MessagesBody, told)).get("reasoning_effort") == expected


@pytest.mark.parametrize(
    ("content", "goes_on"),
    [("The answer is", True), ([{"type": "thinking", "thinking": "t"}], False)],
)
def test_only_a_text_can_be_gone_on_with(content: Any, goes_on: bool) -> None:
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": content}]
    chat = chat_of(validated(MessagesBody, {"model": "m", "max_tokens": 8, "messages": turns}))
    assert len(chat["messages"]) == 1 + goes_on
    assert chat.get("continue_final_message", False) is goes_on
