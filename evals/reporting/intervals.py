"""How far a measured accuracy may be from the true one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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


def accuracy(total: float, count: int) -> Accuracy:
    """Wilson's score interval for `total` right answers out of `count`.

    A fractional total (an expectation over random choices) gets an interval that is too wide
    rather than too narrow, since no score in 0..1 varies more than right and wrong do.
    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if count <= 0:
        raise ValueError("an accuracy needs at least one question")
    mean, z2 = total / count, Z_95**2
    centre = (mean + z2 / (2 * count)) / (1 + z2 / count)
    spread = math.sqrt(mean * (1 - mean) / count + z2 / (4 * count**2)) * Z_95 / (1 + z2 / count)
    # At 0 and at 1 the exact bound is 0 or 1; rounding must not move it outside.
    low = 0.0 if mean == 0 else max(0.0, centre - spread)
    high = 1.0 if mean == 1 else min(1.0, centre + spread)
    return Accuracy(mean, low, high, count)


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
