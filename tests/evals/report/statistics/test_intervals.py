"""Intervals of means over questions, in one task and over several."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.report.statistics.intervals import Interval, interval, mean_interval, mean_of
from evals.reporting.intervals import accuracy, paired_gain

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@settings(deadline=None)
@given(SCORES)
def test_a_share_is_inside_its_interval_and_that_inside_0_to_1(scores: list[float]) -> None:
    found = interval(np.array(scores))
    assert found is not None
    assert 0 <= found.low <= found.mean <= found.high <= 1
    assert found.low < found.high
    assert found.mean == pytest.approx(np.mean(scores))
    assert found.questions == len(scores)


@settings(deadline=None)
@given(SCORES, st.data())
def test_a_missing_question_is_as_if_it_had_not_been_asked(
    scores: list[float], data: st.DataObject
) -> None:
    gaps = data.draw(st.lists(st.integers(0, len(scores)), max_size=5))
    assert interval(np.insert(np.array(scores), gaps, np.nan)) == interval(np.array(scores))


def test_a_difference_agrees_with_the_bootstrap_where_questions_are_many() -> None:
    rng = np.random.default_rng(8)
    one, other = (rng.random(300) < 0.6).astype(float), (rng.random(300) < 0.5).astype(float)
    expected = paired_gain(one, other)
    found = interval(one - other, signed=True)
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx(
        (expected.mean, expected.low, expected.high), abs=0.01
    )


def test_no_difference_that_was_seen_may_be_one_elsewhere() -> None:
    found = interval(np.zeros(29), signed=True)
    assert found is not None
    assert (found.low, found.mean) == (pytest.approx(-found.high), 0.0)
    assert 0.1 < found.high < 0.15
    assert not found.beyond_zero


def test_nothing_has_no_interval() -> None:
    assert interval(np.array([])) is None
    assert interval(np.array([np.nan])) is None
    assert mean_interval([]) is None
    assert mean_interval([np.array([1.0]), np.array([np.nan])]) is None


def test_every_task_counts_the_same() -> None:
    rng = np.random.default_rng(1)
    large, small = (rng.random(900) < 0.9).astype(float), (rng.random(30) < 0.3).astype(float)
    found = mean_interval([large, small])
    assert found is not None
    assert found.mean == pytest.approx((large.mean() + small.mean()) / 2)
    error = np.sqrt(large.var() / 900 + small.var() / 30) / 2
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert found.questions == 930


def test_a_task_without_spread_is_no_task_without_doubt() -> None:
    right = accuracy(20, 20)
    found = mean_interval([np.ones(20), np.ones(20)])
    assert found is not None
    assert (found.mean, found.high) == (1.0, 1.0)
    assert 1 - found.low == pytest.approx((1 - right.low) / np.sqrt(2))


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1))
def test_a_mean_of_means_is_never_wider_than_its_parts(
    parts: list[tuple[float, float, float]],
) -> None:
    own = [Interval(mean, mean - below, mean + above, 5) for mean, below, above in parts]
    found = mean_of(own)
    assert found.low >= sum(one.low for one in own) / len(own) - 1e-9
    assert found.high <= sum(one.high for one in own) / len(own) + 1e-9
    assert found.low <= found.mean <= found.high


def test_95_of_100_intervals_hold_the_truth() -> None:
    """Questions are correlated within their draws, which must not make the interval too narrow."""
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(400):
        # A question's chance is 0 or 1, mostly: four draws say what one does.
        chances = rng.choice([0.05, 0.95], size=60, p=[0.4, 0.6])
        found = interval(rng.binomial(4, chances) / 4)
        assert found is not None
        held += found.low <= 0.05 * 0.4 + 0.95 * 0.6 <= found.high
    assert 368 <= held <= 394
