"""Which answers are worth keeping, and how they are kept."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregators.base import Panel
from experts.types import Request
from orchestrator.request.plan import AskPanel, Plan, plan_expert
from orchestrator.request.reuse.kept import (
    KeptAnswer,
    is_clean,
    is_whole,
    kept_answer,
    less_comments,
)
from orchestrator.request.tracing.trace import Trace

PANEL = Plan(AskPanel(Panel(("a", "b")), "vote"), "", "a")


@given(st.text(), st.binary(), st.dictionaries(st.text(), st.text()), st.floats(0, 1e12))
def test_any_answer_comes_back_as_it_was(
    kind: str, body: bytes, told: dict[str, str], created: float
) -> None:
    kept = KeptAnswer(kind, body, told, created)
    assert kept_answer(kept.to_bytes()) == kept


@given(st.binary())
def test_anything_else_is_none_or_an_answer(raw: bytes) -> None:
    assert kept_answer(raw) is None


def clean(**facts: Any) -> Trace:
    trace = Trace(plan=plan_expert("tiny"))
    trace.begins("tiny", None).end()
    for name, value in facts.items():
        setattr(trace, name, value)
    return trace


def test_an_answer_as_it_was_planned_is_kept() -> None:
    assert is_clean(clean())
    assert is_clean(clean(plan=PANEL, facts={"votes": {"1": ["a", "b"]}, "spared": ["b"]}))
    assert is_clean(Trace())  # The service's own embeddings.


@pytest.mark.parametrize(
    "trace",
    [
        clean(missed=["b was lost"]),
        clean(facts={"failed": ["b"]}),
        clean(facts={"late": ["b"]}),
        clean(budget_spent={"seconds": 1}),
        clean(plan=replace(PANEL, left_out=("c",))),
        clean(plan=replace(plan_expert("tiny"), saved_s=math.inf)),
        clean(plan=plan_expert("other")),
    ],
)
def test_one_where_somebody_was_out_is_not(trace: Trace) -> None:
    assert not is_clean(trace)


def ended(finish: str, *, text: str = "") -> bytes:
    return f'{{"choices": [{{"message": {{"content": "{text}"}}, {finish}}}]}}'.encode()


QUOTED = '\\"finish_reason\\": \\"error\\"'


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (ended('"finish_reason": "stop"'), True),
        (ended('"finish_reason":"length"'), True),
        (ended('"finish_reason": "tool_calls"', text=QUOTED), True),
        (ended('"finish_reason": "content_filter"'), False),
        (ended('"finish_reason": "error"'), False),
        (ended('"finish_reason": null'), False),
        (b'{"choices": []}', False),
    ],
)
def test_an_answer_that_is_whole(body: bytes, whole: bool) -> None:
    assert is_whole(Request("r", "chat/completions", {}), body) == whole


def test_each_choice_must_have_ended() -> None:
    two = Request("r", "chat/completions", {"n": 2})
    assert not is_whole(two, ended('"finish_reason": "stop"'))
    assert is_whole(two, ended('"finish_reason": "stop"') * 2)


def test_a_stream_must_say_that_it_is_over() -> None:
    request = Request("r", "chat/completions", {"stream": True})
    chunk = b"data: " + ended('"finish_reason": "stop"') + b"\n\n"
    assert not is_whole(request, chunk)
    assert is_whole(request, chunk + b"data: [DONE]\n\n")


def test_comments_are_left_out() -> None:
    assert less_comments(b": wait\n\ndata: 1\n\n: wait\n\ndata: [DONE]\n\n") == (
        b"data: 1\n\ndata: [DONE]\n\n"
    )
