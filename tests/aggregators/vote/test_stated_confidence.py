"""Answers with a stated confidence, as language models write JSON and as they fail to."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregators.vote.stated_confidence import StatedAnswer, probability, read_stated

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\b\f"))
"""Form feeds and backspaces are read as LaTeX."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part),
)


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        (
            '{"reasoning": " It is known. ", "answer": " Lima ", "confidence": 0.9}',
            StatedAnswer("Lima", 0.9, "It is known."),
        ),
        ('```json\n{"answer": "B", "confidence": "90%"}\n```\nDone.', StatedAnswer("B", 0.9)),
        ('Let f = {x}. {"answer": 5, "confidence": 85}', StatedAnswer("5", 0.85)),
        ('{"answer": 0.5}', StatedAnswer("0.5", None)),
        ('{"result": {"answer": "inner", "confidence": 1}}', StatedAnswer("inner", 1.0)),
        ('{"answer": "A", "confidence": 0.7} or {"answer": "B"}', StatedAnswer("A", 0.7)),
        ('{"a": 1} {"answer": "A", "reasoning": ["none"]}', StatedAnswer("A", None)),
        ('{"answer": "A", "confidence": "high"}', StatedAnswer("A", None)),
        ('{"answer": "A", "confidence": NaN}', StatedAnswer("A", None)),
        ('{"answer": "one\\ntwo", "confidence": 0.5}', StatedAnswer("one\ntwo", 0.5)),
        ('{"answer": "one\ntwo", "confidence": 0.5}', StatedAnswer("one\ntwo", 0.5)),
    ],
)
def test_what_is_stated_is_read(text: str, stated: StatedAnswer) -> None:
    assert read_stated(text) == stated


@pytest.mark.parametrize("written", [r"\boxed{\frac{1}{2}}", r"\dfrac{1}{2}", r"\sqrt{2}"])
def test_mathematics_stays_what_it_is(written: str) -> None:
    """A model that is asked for JSON seldom doubles the backslashes of LaTeX."""
    assert read_stated(f'{{"answer": "{written}", "confidence": 0.9}}') == StatedAnswer(
        written, 0.9
    )


def test_mathematics_with_doubled_backslashes_is_read_as_json() -> None:
    assert read_stated(r'{"answer": "\\frac{1}{2}"}').answer == r"\frac{1}{2}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Lima",
        "{}",
        '{"answer": null}',
        '{"answer": ["A"]}',
        '{"confidence": 0.9}',
        '["answer", "A"]',
        '{"answer": "A", "confidence": 0.9',
        f'{{"answer": {"9" * 5000}}}',
    ],
)
def test_what_states_no_answer_is_the_answer(text: str) -> None:
    assert read_stated(f" {text}\n") == StatedAnswer(text, None)


@given(TEXTS, st.floats(0, 1), TEXTS, st.text("abc \n`"), st.text())
def test_whatever_is_stated_is_read_amid_prose(
    answer: str, confidence: float, reasoning: str, before: str, after: str
) -> None:
    tree = {"answer": answer, "confidence": confidence, "reasoning": reasoning}
    stated = StatedAnswer(answer.strip(), probability(confidence), reasoning.strip())
    assert read_stated(f"{before}{json.dumps(tree)}{after}") == stated


@given(st.text() | JSON.map(lambda tree: f"so {json.dumps(tree)}"))
def test_every_text_can_be_looked_at(text: str) -> None:
    confidence = read_stated(text).confidence
    assert confidence is None or 0 <= confidence <= 1


@pytest.mark.parametrize("text", ["{" * 100_000, '{"answer":' * 20_000, "[" * 100_000])
def test_garbage_is_looked_at_fast(text: str) -> None:
    started = time.perf_counter()
    assert read_stated(text) == StatedAnswer(text, None)
    assert time.perf_counter() - started < 1.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0.0),
        (1, 1.0),
        (0.25, 0.25),
        (85, 0.85),
        (100, 1.0),
        ("0.9", 0.9),
        (".9", 0.9),
        ("85", 0.85),
        (" 85 % ", 0.85),
        ("1%", 0.01),
        ("0.5%", 0.005),
        ("100%", 1.0),
        ("1", 1.0),
    ],
)
def test_per_cent_are_understood(value: Any, expected: float) -> None:
    assert probability(value) == pytest.approx(expected)


@pytest.mark.parametrize(
    "value",
    [None, True, False, -1, -0.1, 101, 10**400, float("nan"), float("inf"), [0.9], {"of": 1}],
)
def test_anything_else_is_no_confidence(value: Any) -> None:
    assert probability(value) is None


@pytest.mark.parametrize(
    "written",
    ["", "high", "-5", "9/10", "90%%", "1e9", "9" * 400, "101", "101%", "150%"],
)
def test_no_other_words_are_a_confidence(written: str) -> None:
    assert probability(written) is None


@given(JSON)
def test_a_confidence_is_a_probability_or_nothing(value: Any) -> None:
    found = probability(value)
    assert found is None or 0 <= found <= 1


def test_escapes_and_bare_backslashes_stand_side_by_side() -> None:
    text = r'{"answer": "\\(\\alpha \underline{x} \\frac12", "confidence": 0.9}'
    assert read_stated(text).answer == r"\(\alpha \underline{x} \frac12"
