"""What tells repeatable requests apart, and what does not."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.types import Operation, Request
from orchestrator.config.budget import BudgetConfig
from orchestrator.request.context import RequestContext, RequestOptions
from orchestrator.request.reuse.key import ASIDE, answer_key, is_repeatable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
FIELDS = st.sampled_from(["messages", "temperature", "seed", "tools", "stop", "stream", "odd"])
BODIES = st.dictionaries(FIELDS, JSON, max_size=5)
CHAT: Operation = "chat/completions"


def context(body: Any, **more: Any) -> RequestContext:
    return RequestContext(Request("r", CHAT, body), "pool/auto", **more)


def key(body: Any, version: str = "1", **more: Any) -> str:
    return answer_key(context(body, **more), version)


def canonical(value: Any) -> Any:
    """Equal for values that are the same JSON, NaN included, and for nothing else."""
    if isinstance(value, dict):
        return {name: canonical(one) for name, one in value.items()}
    if isinstance(value, list):
        return [canonical(one) for one in value]
    return type(value).__name__, repr(value)


@given(BODIES)
def test_any_body_has_one_key(body: dict[str, Any]) -> None:
    known = key(body)
    assert known == key(copy.deepcopy(body))
    assert known == key(dict(reversed(body.items())))
    assert known == key(body, request_class="batch", patient=True)
    assert known == key({**body, **dict.fromkeys(ASIDE, "x")})
    assert known == key(body, options=RequestOptions(explain=True, cache="refresh"))


@given(BODIES, BODIES)
def test_any_two_bodies_have_the_same_key_only_where_they_are_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert (key(one) == key(other)) == (canonical(one) == canonical(other))


@given(BODIES, FIELDS, JSON)
def test_any_change_of_a_field_changes_the_key(
    body: dict[str, Any], field: str, value: Any
) -> None:
    changed = {**body, field: value}
    same = field in body and canonical(body[field]) == canonical(value)
    assert (key(changed) == key(body)) == same


CHANGES: list[dict[str, Any]] = [
    {"api_key_name": "ann"},
    {"options": RequestOptions(router="two")},
    {"options": RequestOptions(experts=("a", "b"))},
    {"options": RequestOptions(experts=2)},
    {"options": RequestOptions(budget=BudgetConfig(calls=3))},
    {"options": RequestOptions(role="math")},
    {"options": RequestOptions(progress="reasoning")},
    {"version": "2"},
]


def test_what_else_changes_the_key() -> None:
    plain = context({"seed": 1})
    others = [
        replace(plain, model="pool/other"),
        replace(plain, request=replace(plain.request, operation="completions")),
        replace(plain, request=replace(plain.request, source="a text")),
        replace(plain, request=replace(plain.request, tests=("assert x",))),
    ]
    found = [key({"seed": 1}, **change) for change in CHANGES]
    found += [answer_key(one, "1") for one in (plain, *others)]
    assert len(set(found)) == len(found)


def test_a_million_messages_and_half_a_letter_have_a_key() -> None:
    message = {"role": "user", "content": "\ud800"}
    assert len(key({"messages": [message] * 1_000_000, "temperature": math.nan})) == 64


@pytest.mark.parametrize(
    ("body", "repeatable"),
    [
        ({"temperature": 0}, True),
        ({"temperature": 0.0, "n": 3}, True),
        ({"seed": 0}, True),
        ({"seed": 7, "temperature": 1.5, "n": 2}, True),
        ({}, False),
        ({"temperature": None, "seed": None}, False),
        ({"temperature": 0.1}, False),
        ({"temperature": math.nan}, False),
        ({"n": 2}, False),
    ],
)
def test_which_requests_are_repeatable(body: Any, repeatable: bool) -> None:
    assert is_repeatable(Request("r", CHAT, body)) == repeatable


def test_embeddings_always_are() -> None:
    assert is_repeatable(Request("r", "embeddings", {"input": "x"}))
