"""A request to /v1/responses is a chat that the pipeline takes, or is refused with its place."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from experts.errors import RequestError
from orchestrator.server.bodies.agents.responses import ResponsesBody
from orchestrator.server.responses.reading import chat_of
from orchestrator.server.responses.routes import repeated
from orchestrator.server.schemas import parse_body, validated

TEXTS = st.sampled_from(["", "a", "\n", "web_search"])
SCALARS = st.none() | st.booleans() | st.integers(-1, 3) | TEXTS | st.just({}) | st.just([])
PARTS = (
    st.fixed_dictionaries(
        {"type": st.sampled_from(["input_text", "output_text", "refusal", "input_image", "x"])},
        optional={"text": TEXTS, "refusal": TEXTS, "image_url": TEXTS, "detail": SCALARS},
    )
    | SCALARS
)
SOUND_ITEMS = st.sampled_from(
    [
        {"role": "user", "content": "q"},
        {"role": "developer", "content": [{"type": "input_text", "text": "d"}]},
        {"type": "message", "role": "assistant", "content": "a"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"},
        {"type": "function_call_output", "call_id": "c", "output": "r"},
        {"type": "reasoning", "summary": []},
    ]
)
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["message", "function_call", "function_call_output", "reasoning"])
        | SCALARS,
        "role": st.sampled_from(["user", "assistant", "system", "developer", "tool"]),
        "content": TEXTS | st.lists(PARTS, max_size=2),
        "call_id": TEXTS,
        "name": TEXTS,
        "arguments": SCALARS,
        "output": TEXTS | st.lists(PARTS, max_size=2),
    },
)
TOOLS: st.SearchStrategy[Any] = st.deferred(
    lambda: st.fixed_dictionaries(
        {"type": st.sampled_from(["function", "custom", "namespace", "web_search", "mcp"])},
        optional={
            "name": st.sampled_from(["f", "g", "n_", ""]),
            "parameters": st.just({}) | SCALARS,
            "tools": st.lists(TOOLS, max_size=2),
            "description": SCALARS,
        },
    )
)
NAMED = st.fixed_dictionaries(
    {"type": st.just("function"), "name": st.sampled_from(["f", "g"])},
)
BODIES = st.fixed_dictionaries(
    {"model": st.just("m"), "input": TEXTS | st.lists(SOUND_ITEMS | ITEMS, max_size=4)},
    optional={
        "instructions": TEXTS,
        "tools": st.lists(TOOLS, max_size=3),
        "tool_choice": st.sampled_from(["auto", "none", "required", "x"])
        | NAMED
        | st.fixed_dictionaries(
            {
                "type": st.just("allowed_tools"),
                "mode": st.just("auto"),
                "tools": st.lists(NAMED, max_size=2),
            }
        ),
        "parallel_tool_calls": st.booleans(),
        "stream": st.booleans(),
        "text": st.fixed_dictionaries(
            {},
            optional={
                "format": st.fixed_dictionaries(
                    {"type": st.sampled_from(["text", "json_object", "json_schema"])},
                    optional={"name": TEXTS, "schema": st.just({}) | SCALARS},
                ),
                "verbosity": SCALARS,
            },
        ),
        "include": st.lists(st.just("message.output_text.logprobs"), max_size=1),
        "top_logprobs": SCALARS,
        "reasoning": st.fixed_dictionaries({}, optional={"effort": SCALARS}),
        "previous_response_id": SCALARS,
        "background": SCALARS,
    },
)


def refused_at(body: dict[str, Any]) -> str | None:
    """The field of the body that a refusal names; None where there is none."""
    try:
        chat_of(validated(ResponsesBody, body))
    except RequestError as error:
        return (error.param or "").partition(".")[0].partition("[")[0]
    return None


@given(BODIES)
def test_what_is_taken_is_a_chat_that_the_pipeline_takes(body: dict[str, Any]) -> None:
    if (field := refused_at(body)) is not None:
        assert field in body
        return
    chat, tools = chat_of(validated(ResponsesBody, body))
    request, model, _ = parse_body({**chat, "model": "m"}, "chat/completions", "r")
    assert model == "m"
    assert request.stream is bool(body.get("stream"))
    assert tools.keys() >= {one["function"]["name"] for one in chat.get("tools", ())}
    assert len(repeated(body)["tools"]) <= len(body.get("tools") or ())
