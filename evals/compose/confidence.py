"""How sure it is that one way is better than another on the same questions."""

from dataclasses import dataclass

import numpy as np

from evals.compose.ballots import Floats
from evals.reporting.intervals import DRAWS

AT_ONCE = 250
"""Draws of the bootstrap that are in memory together."""


@dataclass(frozen=True, slots=True)
class Paired:
    """The mean difference of scores on the same questions."""

    mean: float
    low: float
    high: float
    """Of the 95 % interval."""
    sure: float
    """The share of the bootstrap's draws in which it is above 0."""


def paired(own: Floats, others: Floats, seed: int = 0) -> Paired:
    """Percentile bootstrap over T >= 1 questions, as `evals.reporting.intervals.paired_gain`."""
    differences = np.asarray(own - others)
    random = np.random.default_rng(seed)
    size = len(differences)
    means = np.concatenate(
        [
            differences[random.integers(size, size=(AT_ONCE, size))].mean(axis=1)
            for _ in range(DRAWS // AT_ONCE)
        ]
    )
    low, high = np.quantile(means, (0.025, 0.975))
    sure = float((means > 0).mean())
    return Paired(float(differences.mean()), float(low), float(high), sure)
