"""Means over questions with bootstrap intervals, many of them from the same resamples. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.reporting.intervals import Z_95

RESAMPLES = 2000
BLOCK_CELLS = 2_000_000
"""Counts that are held at once while resampling."""

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


def resampled_means(values: Floats, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Means of the columns in bootstrap resamples of the rows: shape (resamples, columns).

    `values` has the shape (questions, columns); NaN stands for a question that a column does not
    have. All columns share the resamples, so differences of the results are paired. The draws of
    one question belong into one value: questions are resampled, never answers. (B. Efron,
    Annals of Statistics 7 (1979), 1-26.) A resample in which a column has no question is NaN.
    """
    questions, columns = values.shape
    rng = np.random.default_rng(seed)
    there = ~np.isnan(values)
    filled, weights = np.where(there, values, 0.0), there.astype(np.float64)
    means = np.full((resamples, columns), np.nan)
    step = max(1, BLOCK_CELLS // max(questions, 1))
    for start in range(0, resamples, step):
        block = min(step, resamples - start)
        picked = rng.integers(questions, size=(block, questions))
        cells = picked + questions * np.arange(block)[:, None]
        flat = np.bincount(cells.ravel(), minlength=block * questions)
        counts = flat.reshape(block, questions).astype(np.float64)
        present = counts @ weights
        np.divide(counts @ filled, present, out=means[start : start + block], where=present > 0)
    return means


def interval(values: Floats, resampled: Floats, *, signed: bool = False) -> Interval | None:
    """The mean of a column and the 95 % percentile interval of its resampled means.

    Where all values are equal, resampling knows no spread, though other questions might differ.
    Then the bound is that of Wilson's score interval for an event that `n` questions never showed,
    z^2 / (n + z^2): to the inside of 0..1 for a share, to both sides for a `signed` difference.
    None where there are no questions.
    """
    own = values[~np.isnan(values)]
    if not own.size:
        return None
    mean = float(own.mean())
    if np.ptp(own) == 0:
        return _without_spread(float(own[0]), own.size, signed)
    low, high = np.nanquantile(resampled, (0.025, 0.975))
    return Interval(mean, min(float(low), mean), max(float(high), mean), own.size)


def intervals(
    columns: Sequence[Floats], seed: int, *, signed: bool = False
) -> list[Interval | None]:
    """`interval` of each column, all from the same resamples of the questions."""
    if not columns or not columns[0].size:
        return [None for _ in columns]
    values = np.column_stack(columns)
    resampled = resampled_means(values, seed)
    return [interval(values[:, k], resampled[:, k], signed=signed) for k in range(values.shape[1])]


def mean_interval(strata: Sequence[Floats], seed: int, *, signed: bool = False) -> Interval | None:
    """The mean of the means of several tasks, each counting the same, with its interval.

    `strata` holds one array of per-question values for each task; the questions of each task are
    resampled by themselves. None where a task has no questions.
    """
    present = [one[~np.isnan(one)] for one in strata]
    if not all(one.size for one in present):
        return None
    if len(present) == 1 or all(np.ptp(one) == 0 for one in present):
        return _pooled(present, seed, signed)
    means = [resampled_means(one[:, None], seed + k)[:, 0] for k, one in enumerate(present)]
    low, high = np.quantile(np.mean(means, axis=0), (0.025, 0.975))
    mean = float(np.mean([one.mean() for one in present]))
    return Interval(mean, float(low), float(high), sum(one.size for one in present))


def _pooled(strata: Sequence[Floats], seed: int, signed: bool) -> Interval | None:
    if len(strata) == 1:
        return intervals([strata[0]], seed, signed=signed)[0]
    mean, count = float(np.mean([one.mean() for one in strata])), sum(one.size for one in strata)
    return _without_spread(mean, count, signed)


def _without_spread(value: float, count: int, signed: bool) -> Interval:
    reach = Z_95**2 / (count + Z_95**2)
    low = max(-1.0 if signed else 0.0, value - reach)
    return Interval(value, low, min(1.0, value + reach), count)
