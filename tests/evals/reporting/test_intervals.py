"""Wilson's interval against published and exact values."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from evals.reporting.intervals import accuracy, paired_gain


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


def test_a_gain_is_of_the_same_questions() -> None:
    gain = paired_gain([1, 1, 0, 1] * 25, [0, 1, 0, 1] * 25)
    assert gain.mean == 0.25
    assert 0.15 < gain.low < 0.2
    assert 0.3 < gain.high < 0.35
    same = paired_gain([1.0, 0.0], [1.0, 0.0])
    assert (same.mean, same.low, same.high, same.count) == (0, 0, 0, 2)
    with pytest.raises(ValueError, match="at least one"):
        paired_gain([], [])
