"""Means over questions with their intervals, in one task and over several. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.reporting.intervals import accuracy_of, combined

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over `questions` questions with its 95 % interval."""

    mean: float
    low: float
    high: float
    questions: int

    @property
    def beyond_zero(self) -> bool:
        """Whether a difference is one: the interval does not hold 0."""
        return self.low > 0 or self.high < 0


def interval(values: Floats, *, signed: bool = False) -> Interval | None:
    """The mean of one value for each question: a share in 0..1, or a `signed` difference of two.

    NaN stands for a question that is not there; None where none is. The draws of one question
    belong into one value: questions are counted, never answers. See `accuracy_of`.
    """
    own = values[~np.isnan(values)]
    if not own.size:
        return None
    found = accuracy_of(own, signed=signed)
    return Interval(found.mean, found.low, found.high, found.count)


def mean_interval(strata: Sequence[Floats], *, signed: bool = False) -> Interval | None:
    """The mean of the means of several tasks, each counting the same, with its interval.

    `strata` holds one array of per-question values for each task. None where a task has no
    questions.
    """
    found = [interval(one, signed=signed) for one in strata]
    present = [one for one in found if one is not None]
    return mean_of(present) if present and len(present) == len(found) else None


def mean_of(parts: Sequence[Interval]) -> Interval:
    """The mean of independent means, each counting the same, with the interval of theirs."""
    return Interval(*combined(parts), sum(one.questions for one in parts))
