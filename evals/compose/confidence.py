"""How sure it is that one way is better than another on the same questions."""

import math
from dataclasses import dataclass

import numpy as np

from evals.compose.ballots import Floats
from evals.reporting.intervals import accuracy_of, effective_count


@dataclass(frozen=True, slots=True)
class Paired:
    """The mean difference of scores on the same questions."""

    mean: float
    low: float
    high: float
    """Of the 95 % interval."""
    sure: float
    """The confidence that it is above 0: over 0.975 where the whole interval is."""


def paired(own: Floats, others: Floats) -> Paired:
    """`accuracy_of` the differences on T >= 1 questions, scores in 0..1.

    How sure it is comes from the test of which Wilson's interval is made.
    """
    differences = np.asarray(own - others, dtype=float)
    found = accuracy_of(differences, signed=True)
    count = effective_count((differences + 1) / 2)
    # A difference of 0 is a share of a half, whose standard error is 1 / (2 sqrt(count)).
    sure = (1 + math.erf(found.mean * math.sqrt(count / 2))) / 2
    return Paired(found.mean, found.low, found.high, sure)
