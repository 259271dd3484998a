"""Every value of every field: refused with its name, or such that an engine can be sent it."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.resources.chat.completions import Completions as Chats
from openai.resources.completions import Completions

from experts.errors import RequestError
from experts.openai_format import format_answer
from experts.types import Operation, Request
from orchestrator.server.bodies.operations import BODIES
from orchestrator.server.fields import FIELDS
from orchestrator.server.schemas import Extension, parse

INPUT: dict[Operation, dict[str, Any]] = {
    "chat/completions": {"messages": [{"role": "user", "content": "x"}]},
    "completions": {"prompt": "x"},
}
OPERATIONS: tuple[Operation, ...] = ("chat/completions", "completions")
OUR_CLIENTS = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["7", "\ud800", 2**63, 2**63 - 1, -(2**63), "json_object"])
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner)
)


def parsed(operation: Operation, **fields: Any) -> Request:
    body = {"model": "m", **INPUT[operation], **fields}
    return parse(json.dumps(body).encode(), operation, "r-1")[0]


def parsed_or_refused(operation: Operation, fields: dict[str, Any]) -> Request | RequestError:
    try:
        return parsed(operation, **fields)
    except RequestError as error:
        return error


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_value_is_refused_by_name_or_harmless(operation: Operation, data: st.DataObject) -> None:
    fields = sorted(FIELDS[operation] - {"model"})
    body = data.draw(st.dictionaries(st.sampled_from(fields), ANYTHING, max_size=3))
    request = parsed_or_refused(operation, body)
    if isinstance(request, RequestError):
        assert request.param is not None
        assert request.param.split(".")[0].split("[")[0] in body
        return
    json.dumps(dict(request.body), allow_nan=True).encode()
    assert isinstance(request.query, str)
    assert isinstance(request.stream, bool)
    format_answer(request, "m", "said")


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(Extension.model_fields)), ANYTHING, max_size=3))
def test_so_it_is_with_our_own_field(value: dict[str, Any]) -> None:
    request = parsed_or_refused("chat/completions", {"coterie": value})
    if isinstance(request, RequestError):
        assert (request.param or "").startswith("coterie")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stream_options": "x", "stream": True}, "stream_options"),
        ({"stream_options": [1], "stream": True}, "stream_options"),
        (
            {"stream_options": {"include_usage": "x"}, "stream": True},
            "stream_options.include_usage",
        ),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"seed": "7"}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"n": 2.5}, "n"),
        ({"best_of": 2}, "best_of"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"stop": 5}, "stop"),
        ({"logit_bias": {"5": "x"}}, "logit_bias[5]"),
        ({"guided_json": {}}, "guided_json"),
        ({"user": "a\ud800"}, "user"),
        ({"vllm_xargs": {"k\udfff": 1}}, "vllm_xargs.k\\udfff"),
    ],
)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_out_of_range_is_named(
    operation: Operation, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(RequestError) as caught:
        parsed(operation, **fields)
    assert caught.value.param == param
    assert "YAML" not in caught.value.message
    assert "mapping" not in caught.value.message


@pytest.mark.parametrize("prompt", [5, [], [[]], ["a", 1], [1, -1], [True], [[1], "a"], [2**63]])
def test_a_prompt_is_texts_or_ids(prompt: Any) -> None:
    with pytest.raises(RequestError) as caught:
        parsed("completions", prompt=prompt)
    assert caught.value.param == "prompt"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_null_is_as_good_as_absent_in_every_field(operation: Operation) -> None:
    fields = FIELDS[operation] - INPUT[operation].keys() - {"model"}
    request = parsed(operation, **dict.fromkeys(fields), coterie=None)
    assert set(request.body) == {"model", *INPUT[operation], "max_tokens"}


def test_defaults_are_as_good_as_absent() -> None:
    request = parsed("chat/completions", tools=[], tool_choice="auto", best_of=1, stream_options={})
    assert {"tools", "tool_choice"}.isdisjoint(request.body)
    nulls = {
        **dict.fromkeys(Extension.model_fields, None),
        "budget": {"calls": None},
        "class": None,
    }
    del nulls["request_class"]
    parsed("chat/completions", coterie=nulls)


@pytest.mark.parametrize(
    ("operation", "create"),
    [("chat/completions", Chats.create), ("completions", Completions.create)],
)
def test_whatever_openais_client_defines_may_pass(operation: Operation, create: Any) -> None:
    parameters = set(inspect.signature(create).parameters) - OUR_CLIENTS
    assert parameters <= FIELDS[operation]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_ends_of_the_ranges_pass(operation: Operation) -> None:
    for fields in (
        {"seed": 2**63 - 1, "temperature": 2, "top_p": 0, "n": 128, "top_k": -1, "stop": []},
        {"seed": -(2**63), "temperature": 0, "top_p": 1.0, "min_p": 0, "logit_bias": {"5": 101}},
        {"stream": True, "stream_options": {"include_usage": False, "new": 1}, "stop": ["a"]},
    ):
        assert parsed(operation, **fields).body.items() >= fields.items()


def test_both_halves_of_a_pair_are_one_character() -> None:
    raw = b'{"model": "m", "prompt": "\\ud83d\\ude00 \\\\ud800 NaN"}'
    assert parse(raw, "completions", "r")[0].query == "\U0001f600 \\ud800 NaN"


def test_a_maze_is_refused_before_anybody_walks_it() -> None:
    deep: Any = 1
    for _ in range(300):
        deep = {"k": [deep]}
    with pytest.raises(RequestError, match="nests more than 128 deep"):
        parsed("chat/completions", vllm_xargs=deep)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_models_default_is_no_value(operation: Operation) -> None:
    """Nothing that a client did not say is made up for it."""
    body = BODIES[operation].model_validate(INPUT[operation])
    assert {name for name in body.model_fields_set} == set(INPUT[operation])
    assert parsed(operation).body == {"model": "m", **INPUT[operation]}
