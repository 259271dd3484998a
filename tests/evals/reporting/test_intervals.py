"""Wilson's interval against published and exact values."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from evals.reporting.intervals import accuracy, accuracy_of, paired_gain


# Without a deadline: scipy's first call takes long where the machine is busy.
@settings(deadline=None)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_it_is_scipys_wilson_interval(drawn: tuple[int, int]) -> None:
    right, count = drawn
    ours = accuracy(right, count)
    theirs = binomtest(right, count).proportion_ci(0.95, method="wilson")

    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0 <= ours.low <= ours.mean <= ours.high <= 1


def test_no_questions_no_accuracy() -> None:
    with pytest.raises(ValueError, match="at least one"):
        accuracy(0, 0)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_right_and_wrong_answers_have_the_same_interval_one_by_one(drawn: tuple[int, int]) -> None:
    right, count = drawn
    expected, found = accuracy(right, count), accuracy_of([1.0] * right + [0.0] * (count - right))
    assert (found.mean, found.low, found.high, found.count) == pytest.approx(
        (expected.mean, expected.low, expected.high, count)
    )


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_differences_are_inside_their_interval_which_has_a_width(values: list[float]) -> None:
    found = accuracy_of(values, signed=True)
    back = accuracy_of([-value for value in values], signed=True)
    assert -1 <= found.low <= found.mean <= found.high <= 1
    assert found.low < found.high
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low), abs=1e-9)


@pytest.mark.parametrize(("better", "sure"), [(4, False), (7, True)])
def test_few_flips_are_as_sure_as_the_exact_test_says(better: int, sure: bool) -> None:
    """Of twenty questions so many became right, and none wrong: McNemar's test, 0.125 and 0.016."""
    found = accuracy_of([1.0] * better + [0.0] * (20 - better), signed=True)
    assert (found.low > 0) == sure
    exact = binomtest(better, better, 0.5).pvalue
    assert (exact < 0.05) == sure


Draw = Callable[[np.random.Generator, int], np.ndarray]
TRUTHS: dict[str, tuple[Draw, float, bool]] = {
    "uniform": (lambda rng, n: rng.random(n), 0.5, False),
    "16 draws": (lambda rng, n: rng.binomial(16, 0.5, n) / 16, 0.5, False),
    "skewed": (lambda rng, n: rng.beta(0.3, 3, n), 0.3 / 3.3, False),
    "gain": (lambda rng, n: rng.choice([1.0, -1.0, 0.0], n, p=[0.3, 0.1, 0.6]), 0.2, True),
    "rare": (lambda rng, n: rng.choice([1.0, 0.0], n, p=[0.05, 0.95]), 0.05, True),
}


@pytest.mark.parametrize("name", TRUTHS)
@pytest.mark.parametrize("count", [15, 60])
def test_at_least_94_of_100_intervals_hold_the_truth(name: str, count: int) -> None:
    draw, truth, signed = TRUTHS[name]
    rng, runs = np.random.default_rng(3), 600
    found = [accuracy_of(draw(rng, count), signed=signed) for _ in range(runs)]
    held = sum(one.low <= truth <= one.high for one in found)
    # 0.94 less two standard errors.
    assert held / runs >= 0.94 - 2 * (0.06 * 0.94 / runs) ** 0.5


def test_scores_that_vary_less_than_right_and_wrong_are_surer() -> None:
    rng = np.random.default_rng(0)
    graded = accuracy_of(rng.random(100))
    whole = accuracy(50, 100)
    assert graded.high - graded.low < 0.7 * (whole.high - whole.low)
    with pytest.raises(ValueError, match="at least one"):
        accuracy_of([])


def test_a_gain_is_of_the_same_questions() -> None:
    gain = paired_gain([1, 1, 0, 1] * 25, [0, 1, 0, 1] * 25)
    assert gain.mean == 0.25
    assert 0.15 < gain.low < 0.2
    assert 0.3 < gain.high < 0.35
    same = paired_gain([1.0, 0.0], [1.0, 0.0])
    assert (same.mean, same.low, same.high, same.count) == (0, 0, 0, 2)
    with pytest.raises(ValueError, match="at least one"):
        paired_gain([], [])
