"""Accuracy as a judge sees it, corrected for its bias by a few gold labels, with an interval.

Prediction-powered inference: Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023 (Science 382,
arXiv 2301.09633), with the weight of "PPI++" (Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453)
by which it is never much worse than the gold labels alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

LEAST_GOLD = 8
"""Gold labels below which an interval would say nothing."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean score in 0..1 with its interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Corrected:
    """What the judge's grades and the gold labels say together, and each of them by itself."""

    corrected: Estimate
    gold_only: Estimate
    judged: float
    """The mean of the judge's grades, uncorrected."""
    bias: float
    """By how much the judge's grades exceed the gold labels, where there are both."""
    weight: float
    """How much the judge counts, in 0..1; 0 where it knows nothing."""
    labels: int


def corrected(
    gold: Sequence[float],
    judged_gold: Sequence[float],
    judged_rest: Sequence[float],
    *,
    confidence: float = 0.95,
) -> Corrected:
    """The mean of the gold labels of all questions, estimated.

    `gold` [n] and `judged_gold` [n] are labels and grades of the same questions, drawn at random;
    `judged_rest` [N] are the grades of all others. All are in 0..1. The interval covers the truth
    with the given confidence in the long run. Raises ValueError for fewer than LEAST_GOLD labels,
    unequal lengths, and numbers outside 0..1.
    """
    labels, grades, rest = (_checked(one) for one in (gold, judged_gold, judged_rest))
    n, total = len(labels), len(rest)
    if n != len(grades):
        raise ValueError(f"{n} gold labels, but {len(grades)} grades of the same questions")
    if n < LEAST_GOLD:
        raise ValueError(f"{n} gold labels are too few: at least {LEAST_GOLD} are needed")
    weight = _weight(labels, grades, rest) if total else 0.0
    residuals = labels - weight * grades
    mean = residuals.mean() + weight * (rest.mean() if total else 0.0)
    free = n - 2 if weight else n - 1  # The weight has been fitted to these labels, too.
    variance = _variance(residuals, 1 + weight) * (n - 1) / free / n
    if weight:
        variance += weight**2 * _variance(rest, 1) / total
    both = np.concatenate([grades, rest])
    return Corrected(
        _estimate(float(mean), variance, free, confidence),
        _estimate(float(labels.mean()), _variance(labels, 1) / n, n - 1, confidence),
        float(both.mean()),
        float(grades.mean() - labels.mean()),
        weight,
        n,
    )


def _weight(labels: Floats, grades: Floats, rest: Floats) -> float:
    """The weight with the least variance, from the data (PPI++, equation for a mean)."""
    spread = float(np.concatenate([grades, rest]).var(ddof=1))
    if not spread:
        return 0.0
    shared = float(np.cov(labels, grades)[0, 1])
    return min(1.0, max(0.0, shared / ((1 + len(labels) / len(rest)) * spread)))


def _variance(values: Floats, width: float) -> float:
    """The sample's variance, but as if two more values had differed from the others.

    Without that a handful of equal values would be certain (Agresti and Coull 1998, for shares);
    `width` is that of the values' range.
    """
    count = len(values)
    share = 2 / (count + 4)
    floor = share * (1 - share) * min(1.0, width) ** 2
    return max(float(values.var(ddof=1)) if count > 1 else 0.0, floor)


def _estimate(mean: float, variance: float, free: int, confidence: float) -> Estimate:
    reach = float(stdtrit(free, (1 + confidence) / 2)) * math.sqrt(variance)
    low, high = max(0.0, mean - reach), min(1.0, mean + reach)
    return Estimate(min(1.0, max(0.0, mean)), min(low, 1.0), max(high, 0.0))


def _checked(values: Sequence[float]) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.size and not ((found >= 0) & (found <= 1)).all():
        raise ValueError("labels and grades are numbers in 0..1")
    return found
