"""What counts is read out of a longer text."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from evals.scoring.extracting import Extraction


@pytest.mark.parametrize(
    ("keys", "text", "read"),
    [
        ({"regex": "#### (.+)"}, "1 + 1 = 2\n#### 2", "2"),
        ({"regex": r"\d+"}, "3 and 4", "4"),
        ({"regex": r"\d+", "which": "first"}, "3 and 4", "3"),
        ({"regex": r"is (\d)|are (\d)"}, "they are 5", "5"),
        ({"regex": "x"}, "nothing", ""),
        ({"json_key": "a"}, 'So: {"a": "yes"}', "yes"),
        ({"json_key": "a"}, '{"a": 1} {"b": {"a": 2}} {"a": {"c": 3}}', '{"c": 3}'),
        ({"json_key": "a", "which": "first"}, '{"b": 1} {broken {"a": 1} {"a": 2}', "1"),
        ({"json_key": "a"}, "{" * 10_000, ""),
    ],
)
def test_reading(keys: dict[str, Any], text: str, read: str) -> None:
    assert Extraction(**keys).read(text) == read


@pytest.mark.parametrize(
    "keys", [{}, {"regex": "("}, {"regex": "a", "json_key": "b"}, {"regex": "a", "which": "all"}]
)
def test_wrong_keys(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Extraction(**keys)


@settings(deadline=None)
@given(st.text("ab {}", max_size=20), st.text())
def test_a_key_is_found_wherever_its_object_stands(around: str, value: str) -> None:
    text = around.replace("{", "") + json.dumps({"answer": value}) + around
    assert Extraction(json_key="answer").read(text) == value
