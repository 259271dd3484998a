"""What no engine would take is refused with its place, whoever is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import RequestError
from experts.types import Request
from orchestrator.server.schemas import parse

LOOK: dict[str, Any] = {"type": "function", "function": {"name": "look"}}
PART = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "function", "name", "parameters", "image_url", "url"]), inner
        )
    ),
)
OBJECT = st.dictionaries(
    st.sampled_from(["type", "function", "name", "parameters", "custom"]),
    ANYTHING | st.sampled_from(["function", "custom"]),
)


def parsed(**fields: Any) -> Request:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    return parse(json.dumps(body).encode(), "chat/completions", "r-1")[0]


def parsed_or_refused(**fields: Any) -> Request | RequestError:
    try:
        return parsed(**fields)
    except RequestError as error:
        return error


def said_by(role: str, content: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content}]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{}]}, "tools[0].function"),
        ({"tools": [LOOK, {"type": "function", "function": {}}]}, "tools[1].function.name"),
        ({"tools": [{"type": 5}]}, "tools[0].type"),
        (
            {"tools": [{"function": {"name": "a", "parameters": []}}]},
            "tools[0].function.parameters",
        ),
        ({"functions": [{}]}, "functions[0].name"),
        ({"tools": [LOOK], "tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": LOOK}, "tool_choice"),
        ({"tools": [LOOK], "tool_choice": {}}, "tool_choice"),
        ({"tools": [LOOK], "tool_choice": {"type": "function"}}, "tool_choice.function"),
        (
            {"tools": [LOOK], "tool_choice": {"type": "function", "function": {"name": "go"}}},
            "tool_choice",
        ),
        ({"functions": [{"name": "a"}], "function_call": {"name": "b"}}, "function_call"),
        ({"functions": [{"name": "a"}], "function_call": "required"}, "function_call"),
        ({"function_call": {"name": "b"}}, "function_call"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"min_tokens": 9, "max_tokens": 8}, "min_tokens"),
        ({"logit_bias": {"abc": 1}}, "logit_bias"),
        ({"logit_bias": {"-1": 1}}, "logit_bias"),
        ({"response_format": {"type": "json"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {}}},
            "response_format.json_schema.name",
        ),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"stop": ["a"] * 40}, "stop"),
        (said_by("user", None), "messages[0].content"),
        (said_by("tool", None), "messages[0].content"),
        (said_by("user", [{"type": "image_url"}]), "messages[0].content[0].image_url"),
        (
            said_by("user", [{"type": "image_url", "image_url": {}}]),
            "messages[0].content[0].image_url",
        ),
    ],
)
def test_it_is_refused_in_plain_words_with_its_place(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        parsed(**fields)
    assert caught.value.param == param
    assert param.partition(".")[0].partition("[")[0] in caught.value.message
    assert "validation error" not in caught.value.message


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [LOOK], "tool_choice": LOOK},
        {"tools": [LOOK], "tool_choice": "required"},
        {"tools": [{"function": {"name": "a", "parameters": None}}]},
        {"tools": [{"type": "custom", "custom": {"name": "a"}}], "tool_choice": "auto"},
        {"tools": [LOOK], "tool_choice": {"type": "allowed_tools", "allowed_tools": {}}},
        {"functions": [{"name": "a"}], "function_call": {"name": "a"}},
        {"logprobs": True, "top_logprobs": 99},
        {"top_logprobs": 0},
        {"min_tokens": 8, "max_tokens": 8},
        {"logit_bias": {"7": -100}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}},
        {"metadata": {"a": "1"}},
        {"stop": ["a", "b", "c", "d"]},
        said_by("assistant", None),
        said_by("user", [PART, {"type": "text", "text": "x"}]),
        said_by("user", [{"type": "image_url", "image_url": None, "uuid": "seen"}]),
    ],
)
def test_what_an_engine_may_take_passes(fields: dict[str, Any]) -> None:
    assert parsed(**fields).body.items() >= fields.items()


@given(
    st.lists(OBJECT, max_size=2),
    OBJECT | st.text(max_size=3) | st.sampled_from(["auto", "none", "required"]),
    st.lists(
        st.fixed_dictionaries({"type": st.just("image_url")}, optional={"image_url": ANYTHING})
    ),
)
def test_whatever_stands_there_is_refused_by_name_or_passes(
    tools: list[Any], choice: Any, parts: list[Any]
) -> None:
    request = parsed_or_refused(tools=tools, tool_choice=choice, **said_by("user", parts))
    if isinstance(request, RequestError):
        assert (request.param or "").startswith(("tools", "tool_choice", "messages[0]"))
