"""What a judge is asked, and how its verdict is read."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.scoring.judge import Graded, again, judge_options, questions_for, read, unread_problem
from experts.errors import ConfigError

YES_NO = judge_options({"expert": "general"})
TO_FIVE = judge_options({"expert": "general", "best": 5, "rubric": "Is it kind?"})


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ("VERDICT: 1", 1),
        ("It is wrong.\n**Verdict:** 0", 0),
        ("VERDICT: 0\nNo, wait, it is right.\nVERDICT: 1", 1),
        ("The verdict is 1.", 1),
        ("VERDICT: 7", None),
        ("VERDICT: 1\nVERDICT: 7", 1),
        ("VERDICT: -1", None),
        ("VERDICT: 0 or 1", None),
        ("1", 1),
        ("It has 1 mistake.", None),
        ("VERDICT: N", None),
        ("", None),
    ],
)
def test_the_last_clear_verdict_counts(reply: str, grade: float | None) -> None:
    assert read(YES_NO, reply) == grade


@given(st.text(), st.integers(0, 5))
def test_whatever_stands_before_the_verdict(before: str, grade: int) -> None:
    assert read(TO_FIVE, f"{before}\nVERDICT: {grade}") == grade / 5


@given(st.text(max_size=60))
def test_a_grade_is_in_its_bounds_or_none(reply: str) -> None:
    assert (grade := read(TO_FIVE, reply)) is None or 0 <= grade <= 1


def test_the_judge_sees_rubric_question_reference_and_answer() -> None:
    sample = SimpleNamespace(answer="Lima", fields={})
    (body,) = questions_for(TO_FIVE, [Graded(sample, "Capital of Peru?", "It is Lima. {rubric}")])
    prompt = body["messages"][0]["content"]
    for part in ("Is it kind?", "Capital of Peru?", "Lima", "It is Lima. {rubric}", "to 5 "):
        assert part in prompt
    assert body["max_tokens"] == TO_FIVE.max_tokens
    assert body["temperature"] == 0


def test_a_judge_without_a_verdict_is_asked_again_in_the_same_conversation() -> None:
    sample = SimpleNamespace(answer="", fields={})
    (body,) = questions_for(YES_NO, [Graded(sample, "Q", "A")])
    second = again(YES_NO, body, "Hm.")
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]
    assert second["messages"][0] == body["messages"][0]
    assert "q-7" in unread_problem("q-7", "Hm.\nhm")


def test_long_answers_are_cut() -> None:
    options = judge_options({"expert": "general", "longest": 10})
    sample = SimpleNamespace(answer="", fields={})
    (body,) = questions_for(options, [Graded(sample, "Q", "x" * 1_000)])
    assert "x" * 10 + "\n[...]" in body["messages"][0]["content"]


@pytest.mark.parametrize(
    "options", [{}, {"expert": "a", "best": 0}, {"expert": "a", "template": ""}]
)
def test_wrong_options_are_an_error(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        judge_options(options)
