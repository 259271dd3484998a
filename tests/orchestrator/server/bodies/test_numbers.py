"""Whole numbers may be spelled 5.0; engines get them as 5."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import RequestError
from experts.types import Operation
from orchestrator.server.bodies.numbers import all_whole
from orchestrator.server.schemas import parse

WHOLE = st.integers(-(2**53), 2**53)
INPUT: dict[Operation, dict[str, Any]] = {
    "chat/completions": {"messages": [{"role": "user", "content": "x"}]},
    "completions": {"prompt": "x"},
}


def parsed(operation: Operation, **fields: Any) -> dict[str, Any]:
    body = {"model": "m", **INPUT[operation], **fields}
    return dict(parse(json.dumps(body).encode(), operation, "r-1")[0].body)


@given(st.recursive(WHOLE | WHOLE.map(float), st.lists))
def test_a_number_without_a_fraction_is_whole_wherever_it_stands(value: Any) -> None:
    found = all_whole(value)
    assert found == value
    assert "." not in json.dumps(found)


@given(st.floats().filter(lambda x: not x.is_integer()) | st.text() | st.booleans() | st.none())
def test_other_values_stay_as_they_are(value: Any) -> None:
    assert all_whole(value) is value


@pytest.mark.parametrize("operation", list(INPUT))
@pytest.mark.parametrize("field", ["max_tokens", "n", "seed", "top_k", "min_tokens", "priority"])
def test_a_field_gets_to_the_engine_as_a_whole_number(operation: Operation, field: str) -> None:
    value = parsed(operation, **{field: 5.0})[field]
    assert (value, type(value)) == (5, int)
    with pytest.raises(RequestError) as caught:
        parsed(operation, **{field: 5.5})
    assert caught.value.param == field


def test_ids_get_to_the_engine_as_whole_numbers() -> None:
    body = parsed("completions", prompt=[[1.0, 2], [3]], stop_token_ids=[7.0], temperature=1.0)
    assert json.dumps(body["prompt"]) == "[[1, 2], [3]]"
    assert json.dumps(body["stop_token_ids"]) == "[7]"
    assert json.dumps(body["temperature"]) == "1.0"


def test_what_is_the_engines_business_is_left_as_it_was_spelled() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"maximum": 5.0}}}]
    message = {"role": "user", "content": "x", "weight": 1.0}
    body = parsed("chat/completions", tools=tools, messages=[message])
    assert json.dumps(body["tools"]) == json.dumps(tools)
    assert json.dumps(body["messages"]) == json.dumps([message])


def test_our_own_field_reads_them_so_too() -> None:
    asked = {"experts": 2.0, "budget": {"calls": 3.0}}
    raw = json.dumps({"model": "m", "prompt": "x", "coterie": asked}).encode()
    options = parse(raw, "completions", "r-1")[2].options
    assert options.experts == 2
    assert options.budget is not None
    assert (options.budget.calls, type(options.budget.calls)) == (3, int)
