"""Bootstrap intervals: bounds that always hold, and how often they hold the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.report.statistics.intervals import intervals, mean_interval, resampled_means
from evals.reporting.intervals import paired_gain

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@settings(deadline=None)
@given(SCORES)
def test_a_share_is_inside_its_interval_and_that_inside_0_to_1(scores: list[float]) -> None:
    [found] = intervals([np.array(scores)], 0)
    assert found is not None
    assert 0 <= found.low <= found.mean <= found.high <= 1 + 1e-12
    assert found.mean == pytest.approx(np.mean(scores))
    assert found.questions == len(scores)


@settings(deadline=None)
@given(SCORES, st.data())
def test_a_missing_question_is_as_if_it_had_not_been_asked(
    scores: list[float], data: st.DataObject
) -> None:
    gaps = data.draw(st.lists(st.integers(0, len(scores)), max_size=5))
    with_gaps = np.insert(np.array(scores), gaps, np.nan)
    [whole], [gappy] = intervals([np.array(scores)], 0), intervals([with_gaps], 0)
    assert whole is not None
    assert gappy is not None
    assert gappy.mean == pytest.approx(whole.mean)
    assert gappy.questions == whole.questions


def test_columns_share_their_resamples_so_differences_are_paired() -> None:
    rng = np.random.default_rng(3)
    one = rng.random(80)
    other = one - 0.1
    means = resampled_means(np.column_stack([one, other]), 1)

    assert np.ptp(means[:, 0]) > 0.05
    assert means[:, 0] - means[:, 1] == pytest.approx(np.full(len(means), 0.1))


def test_blocks_are_resampled_like_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((50, 2))
    at_once = resampled_means(values, 5)
    monkeypatch.setattr("evals.report.statistics.intervals.BLOCK_CELLS", 170)
    in_blocks = resampled_means(values, 5)

    assert in_blocks == pytest.approx(at_once)


def test_a_difference_agrees_with_the_other_bootstrap_of_this_repository() -> None:
    rng = np.random.default_rng(8)
    one, other = (rng.random(300) < 0.6).astype(float), (rng.random(300) < 0.5).astype(float)
    expected = paired_gain(one, other)
    [found] = intervals([one - other], 0, signed=True)
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx(
        (expected.mean, expected.low, expected.high), abs=0.01
    )


@pytest.mark.parametrize(("value", "low", "high"), [(1.0, 0.884, 1.0), (0.0, 0.0, 0.116)])
def test_no_spread_does_not_mean_no_doubt(value: float, low: float, high: float) -> None:
    """Wilson's interval of 29 right of 29 (and of none) is that of R's binom.wilson."""
    [found] = intervals([np.full(29, value)], 0)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


def test_equal_answers_differ_by_nothing_but_may_elsewhere() -> None:
    [found] = intervals([np.zeros(29)], 0, signed=True)
    assert found is not None
    assert (found.low, found.mean) == (pytest.approx(-found.high), 0.0)
    assert not found.beyond_zero


def test_nothing_has_no_interval() -> None:
    assert intervals([np.array([]), np.array([])], 0) == [None, None]
    assert intervals([np.array([np.nan]), np.array([1.0])], 0)[0] is None
    assert intervals([], 0) == []
    assert mean_interval([np.array([1.0]), np.array([np.nan])], 0) is None


def test_every_task_counts_the_same() -> None:
    rng = np.random.default_rng(1)
    large, small = (rng.random(900) < 0.9).astype(float), (rng.random(30) < 0.3).astype(float)
    found = mean_interval([large, small], 0)
    assert found is not None
    assert found.mean == pytest.approx((large.mean() + small.mean()) / 2)
    error = np.sqrt(large.var() / 900 + small.var() / 30) / 2
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert found.questions == 930


def test_95_of_100_intervals_hold_the_truth() -> None:
    """Questions are correlated within their draws, which must not make the interval too narrow."""
    rng = np.random.default_rng(11)
    held = 0
    for run in range(200):
        # A question's chance is 0 or 1, mostly: four draws say what one does.
        chances = rng.choice([0.05, 0.95], size=60, p=[0.4, 0.6])
        means = rng.binomial(4, chances) / 4
        [found] = intervals([means], run)
        assert found is not None
        held += found.low <= 0.05 * 0.4 + 0.95 * 0.6 <= found.high
    assert 180 <= held <= 199
