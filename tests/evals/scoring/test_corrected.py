"""A judge's bias is corrected, and the interval keeps its promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.scoring.corrected import LEAST_GOLD, Corrected, corrected

SCORES = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=LEAST_GOLD, max_size=30)
RUNS = 600


def _simulated(
    rng: np.random.Generator, truth: float, false_yes: float, false_no: float, n: int, rest: int
) -> Corrected:
    right = rng.random(n + rest) < truth
    judged = np.where(right, rng.random(n + rest) >= false_no, rng.random(n + rest) < false_yes)
    return corrected(right[:n] * 1.0, judged[:n] * 1.0, judged[n:] * 1.0)


@pytest.mark.parametrize(
    ("truth", "false_yes", "false_no"),
    [(0.7, 0.05, 0.05), (0.5, 0.4, 0.0), (0.9, 0.3, 0.05), (0.6, 0.5, 0.5), (0.4, 0.0, 0.0)],
)
def test_the_interval_covers_the_truth(truth: float, false_yes: float, false_no: float) -> None:
    rng = np.random.default_rng(7)
    runs = [_simulated(rng, truth, false_yes, false_no, 40, 400) for _ in range(RUNS)]
    covered = np.mean([run.corrected.low <= truth <= run.corrected.high for run in runs])
    assert covered >= 0.93
    assert abs(np.mean([run.corrected.mean for run in runs]) - truth) < 0.02


def test_a_good_judge_makes_it_narrower_and_a_blind_one_does_no_harm() -> None:
    rng = np.random.default_rng(8)
    good = [_simulated(rng, 0.6, 0.05, 0.05, 40, 1_000) for _ in range(100)]
    blind = [_simulated(rng, 0.6, 0.5, 0.5, 40, 1_000) for _ in range(100)]

    def width(runs: list[Corrected]) -> float:
        by_itself = [run.gold_only.high - run.gold_only.low for run in runs]
        return float(
            np.mean([run.corrected.high - run.corrected.low for run in runs]) / np.mean(by_itself)
        )

    assert width(good) < 0.75
    assert width(blind) < 1.05


def test_the_bias_is_told() -> None:
    found = corrected([0.0, 1.0] * 10, [1.0] * 20, [1.0] * 100)
    assert (found.judged, found.bias, found.weight) == (1, 0.5, 0)
    one, other = found.corrected, found.gold_only
    assert (one.mean, one.low, one.high) == pytest.approx((other.mean, other.low, other.high))
    assert found.corrected.mean == 0.5


@given(SCORES, SCORES)
def test_an_estimate_is_a_share_within_its_interval(gold: list[float], rest: list[float]) -> None:
    found = corrected(gold, gold[::-1], rest)
    for one in (found.corrected, found.gold_only):
        assert 0 <= one.low <= one.mean <= one.high <= 1
    assert 0 <= found.weight <= 1


@given(SCORES)
def test_without_other_questions_the_labels_alone_count(gold: list[float]) -> None:
    found = corrected(gold, gold, [])
    one, other = found.corrected, found.gold_only
    assert (one.mean, one.low, one.high) == pytest.approx((other.mean, other.low, other.high))


@pytest.mark.parametrize(
    ("gold", "judged", "rest"),
    [([1.0] * 7, [1.0] * 7, [1.0]), ([1.0] * 9, [1.0] * 8, [1.0]), ([2.0] * 8, [1.0] * 8, [])],
)
def test_what_cannot_be_estimated(
    gold: list[float], judged: list[float], rest: list[float]
) -> None:
    with pytest.raises(ValueError, match=r"gold labels|0\.\.1"):
        corrected(gold, judged, rest)
