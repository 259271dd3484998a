"""A digest of the question divides questions, the same way wherever they are read."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from evals.tasks.splits import by_digest

TEXTS = st.text(st.characters(exclude_categories=("Cs",))).filter(str.strip)


@settings(deadline=None)
@given(TEXTS, st.sampled_from([str.upper, str.strip, lambda q: f" {q}\n", str]))
def test_a_question_is_in_one_split_however_it_is_written(question: str, other: Any) -> None:
    if question.casefold() == other(question).casefold().strip():
        assert by_digest(question, 0.5) == by_digest(other(question), 0.5)
    assert by_digest(question, 0.0) == "test"
    assert by_digest(question, 1.0) == "probe"


@settings(deadline=None)
@given(st.floats(0.2, 0.8), st.integers(0, 9))
def test_the_share_is_about_what_was_wanted(share: float, seed: int) -> None:
    probe = sum(by_digest(f"question {seed} {n}", share) == "probe" for n in range(1000))
    assert abs(probe / 1000 - share) < 0.08
