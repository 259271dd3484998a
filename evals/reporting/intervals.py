"""How far a measured accuracy may be from the true one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The 97.5 % quantile of the normal distribution.
Z_95 = 1.959963984540054
DRAWS = 4000


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A mean score in 0..1 over `count` questions, with its 95 % interval."""

    mean: float
    low: float
    high: float
    count: int


class HasEnds(Protocol):
    """A mean and the ends of its interval."""

    @property
    def mean(self) -> float: ...

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...


def accuracy(total: float, count: int) -> Accuracy:
    """Wilson's score interval for `total` right answers out of `count`.

    A fractional total (an expectation over random choices) gets an interval that is too wide
    rather than too narrow, since no score in 0..1 varies more than right and wrong do.
    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if count <= 0:
        raise ValueError("an accuracy needs at least one question")
    mean = total / count
    return Accuracy(mean, *wilson(mean, count), count)


def accuracy_of(scores: ArrayLike, *, signed: bool = False) -> Accuracy:
    """The mean of one score for each question with its 95 % interval: reports and runs use this.

    Wilson's interval, for the number of right and wrong answers that would tell as much as these
    scores do (`effective_count`): it is never without width, and for right and wrong answers it is
    `accuracy`. Scores are in 0..1, or `signed` in -1..1, as paired differences are.
    Raises ValueError where there are none.
    """
    values = np.asarray(scores, dtype=float)
    if not values.size:
        raise ValueError("an accuracy needs at least one question")
    shares = (values + 1) / 2 if signed else values
    low, high = wilson(float(shares.mean()), effective_count(shares))
    if signed:
        low, high = 2 * low - 1, 2 * high - 1
    mean = float(values.mean())
    return Accuracy(mean, min(low, mean), max(high, mean), values.size)


def combined(parts: Sequence[HasEnds]) -> tuple[float, float, float]:
    """The mean of independent means, each counting the same, and the ends of its interval.

    Distances to the ends add up as errors do: G. Y. Zou, W. Huang, X. Zhang, Computational
    Statistics & Data Analysis 53 (2009), 1080-1085. So it is honest where a part is at 0 or at 1.
    """
    mean = sum(one.mean for one in parts) / len(parts)
    below = math.hypot(*(one.mean - one.low for one in parts)) / len(parts)
    above = math.hypot(*(one.high - one.mean for one in parts)) / len(parts)
    return mean, mean - below, mean + above


def wilson(mean: float, count: float) -> tuple[float, float]:
    """The ends of Wilson's 95 % interval for a share `mean` of `count` answers."""
    z2 = Z_95**2
    centre = (mean + z2 / (2 * count)) / (1 + z2 / count)
    spread = math.sqrt(mean * (1 - mean) / count + z2 / (4 * count**2)) * Z_95 / (1 + z2 / count)
    # At 0 and at 1 the exact bound is 0 or 1; rounding must not move it outside.
    low = 0.0 if mean == 0 else max(0.0, centre - spread)
    high = 1.0 if mean == 1 else min(1.0, centre + spread)
    return low, high


def effective_count(shares: NDArray[np.float64]) -> float:
    """How many answers that are right or wrong tell as much as these scores in 0..1 do.

    Their number, where they are right or wrong; more where they vary less, as means of several
    draws and differences do (the design effect of L. Kish, Survey Sampling, 1965). A spread that
    was not seen may be there: the variance counts as if z^2 more scores had the largest one, 1/4.
    """
    count, mean, z2 = len(shares), float(shares.mean()), Z_95**2
    variance = (count * float(shares.var()) + z2 / 4) / (count + z2)
    return count * max(1.0, mean * (1 - mean) / variance)


def paired_gain(own: Sequence[float], others: Sequence[float], seed: int = 0) -> Accuracy:
    """Mean of the differences of scores on the same questions, with its 95 % interval.

    Percentile bootstrap over the questions (B. Efron, Annals of Statistics 7 (1979), 1-26).
    """
    differences = np.subtract(own, others)
    if not differences.size:
        raise ValueError("a gain needs at least one question")
    draws = np.random.default_rng(seed).integers(len(differences), size=(DRAWS, len(differences)))
    low, high = np.quantile(differences[draws].mean(axis=1), (0.025, 0.975))
    return Accuracy(float(differences.mean()), float(low), float(high), len(differences))
