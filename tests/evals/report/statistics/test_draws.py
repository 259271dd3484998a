"""pass@k and majority@n beside their definitions."""

from itertools import combinations
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.report.statistics.draws import draw_scores, majority, pass_at_k
from evals.runs.record import Row


def _rows(*answers: tuple[str, int, str, float]) -> list[Row]:
    return [
        Row(subject="a", task="t", sample=sample, draw=draw, category="c", question="q",
            answer=answer, score=score)
        for sample, draw, answer, score in answers
    ]  # fmt: skip


@settings(deadline=None)
@given(st.integers(1, 12), st.data())
def test_pass_at_k_is_the_share_of_all_choices_of_k_draws_with_a_right_one(
    draws: int, data: st.DataObject
) -> None:
    right = data.draw(st.integers(0, draws))
    k = data.draw(st.integers(1, draws))
    answers = [True] * right + [False] * (draws - right)
    chosen = list(combinations(answers, k))
    assert pass_at_k(draws, right, k) == pytest.approx(sum(map(any, chosen)) / len(chosen))
    assert pass_at_k(draws, right, k) == pytest.approx(1 - comb(draws - right, k) / comb(draws, k))


def test_many_draws_do_not_overflow() -> None:
    assert pass_at_k(5000, 1, 2500) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="pass@3"):
        pass_at_k(2, 1, 3)


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        (["4", "4", "5"], [1, 1, 0], 1.0),
        (["5", "5", "4"], [0, 0, 1], 0.0),
        (["4", "5"], [1, 0], 0.5),  # A tie: either may be drawn.
        ([None, None, "4"], [0, 0, 1], 1.0),  # Who says nothing has no vote.
        ([None], [0], 0.0),
        ([], [], 0.0),
    ],
)
def test_the_majority(labels: list[str | None], scores: list[float], expected: float) -> None:
    assert majority(labels, scores) == expected


def test_answers_are_grouped_by_what_they_conclude_with() -> None:
    found = draw_scores(
        _rows(
            ("1", 0, "So it is 4.0.", 1), ("1", 1, "The answer is 4", 1), ("1", 2, "5", 0),
            ("2", 0, "7", 1), ("2", 1, "I say 8", 0), ("2", 2, "The answer is 8.", 0),
        ),
        "number",
    )  # fmt: skip
    assert found is not None
    assert found.draws == 3
    assert {k: round(p.mean, 6) for k, p in found.pass_at.items()} == {1: 0.5, 2: 0.833333, 3: 1.0}
    assert found.majority is not None
    assert found.majority.mean == 0.5


def test_one_draw_has_nothing_to_count_and_unfinished_questions_wait() -> None:
    assert draw_scores(_rows(("1", 0, "4", 1)), "number") is None
    assert draw_scores([], "number") is None
    found = draw_scores(_rows(("1", 0, "4", 1), ("1", 1, "4", 1), ("2", 0, "4", 0)), "exact")
    assert found is not None
    assert found.pass_at[2].questions == 1
