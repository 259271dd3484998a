"""Counting votes: the winner, and the probability that a leader stays ahead. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, exp, floor, lgamma, log

from experts.types import Completion

RECONCILE = ((1.0, 1.0), (0.9, 0.8), (0.8, 0.5), (0.6, 0.3))
"""The steps as (confidence, weight); below all of them the weight is `LEAST`."""
LEAST = 0.1
CERTAIN = 1 - 1e-9
"""Token probabilities never reach 1 in floating point."""
EPSILON = 1e-9
SURE_MOST, SURE_LEAST = 0.98, 0.02


@dataclass(frozen=True, slots=True)
class Tally:
    """A count of votes."""

    weights: Mapping[str, float]
    """Label -> weight, the heaviest first; ties keep the order in which labels first occurred."""

    @property
    def winner(self) -> str | None:
        """The heaviest label; None where there are no votes."""
        return next(iter(self.weights), None)

    @property
    def lead(self) -> tuple[float, float]:
        """The weights of the first and the second label."""
        first, second = (*self.weights.values(), 0.0, 0.0)[:2]
        return first, second


def tally(labels: Sequence[str | None], weights: Sequence[float]) -> Tally:
    """Sum up the weight of each label; None has no vote. The label that occurs first wins a tie."""
    found: dict[str, float] = defaultdict(float)
    for label, weight in zip(labels, weights, strict=True):
        if label is not None:
            found[label] += weight
    order = sorted(found, key=lambda label: -found[label])  # Stable: ties keep their order.
    return Tally({label: found[label] for label in order})


def lead_probability(
    lead: tuple[float, float], waiting: float, unit: float = 1.0, *, wins_ties: bool = False
) -> float:
    """The probability that the first label is still first when all votes are in.

    After Aggarwal et al., "Let's Sample Step by Step" (Adaptive-Consistency, arXiv 2305.11860),
    section 3: the share of the first of two labels has a Beta(v1 + 1, v2 + 1) posterior. The paper
    asks whether it is above a half, as if there were infinitely many more votes; here votes of the
    weight `waiting` are left, so their outcome is beta-binomial, and all votes that do not go to
    the first label count for the second. `unit` is the mean weight of a vote. A tie is no lead,
    unless the first label `wins_ties`: then it is enough that no label overtakes it.
    """
    first, second = (weight / unit for weight in lead)
    if first <= second:
        return 0.0
    left = ceil(waiting / unit - EPSILON)
    half = (second + left - first) / 2
    needed = ceil(half - EPSILON) if wins_ties else floor(half + EPSILON) + 1
    if needed <= 0:
        return 1.0
    if needed > left:
        return 0.0
    return _at_least(needed, left, round(first + 1, 6), round(second + 1, 6))


@lru_cache(maxsize=65536)
def _at_least(needed: int, count: int, a: float, b: float) -> float:
    """P(X >= needed) of the beta-binomial distribution of `count` trials."""
    whole = lgamma(a + b) - lgamma(a) - lgamma(b) - lgamma(a + b + count) + lgamma(count + 1)
    terms = (
        exp(whole + lgamma(a + k) + lgamma(b + count - k) - lgamma(k + 1) - lgamma(count - k + 1))
        for k in range(needed, count + 1)
    )
    return min(1.0, sum(terms))


def reconcile_weight(confidence: float | None) -> float:
    """The weight of a vote by its confidence in 0..1, in ReConcile's steps (arXiv 2309.13007)."""
    if confidence is None:
        return LEAST
    confidence = 1.0 if confidence >= CERTAIN else confidence
    for least, weight in RECONCILE:
        # The published steps are closed below, but for the last.
        if confidence > least or (confidence == least and least != RECONCILE[-1][0]):
            return weight
    return LEAST


def log_odds_weight(quality: float, others: int) -> float:
    """The weight of a vote by its predicted quality, which makes the most probable answer win.

    The log-odds of Nitzan and Paroush (1982), for wrong votes that spread evenly over `others`
    wrong answers: an expert that is right less often than by chance has no vote.
    """
    sure = min(max(quality, SURE_LEAST), SURE_MOST)
    return max(0.0, log(sure * others / (1 - sure)))


def mean_token_probability(completion: Completion) -> float | None:
    """The geometric mean of the tokens' probabilities; None where they were not reported."""
    logprobs = completion.logprobs
    return exp(sum(logprobs) / len(logprobs)) if logprobs else None


def min_token_probability(completion: Completion) -> float | None:
    """The probability of the least likely token; None where they were not reported."""
    return exp(min(completion.logprobs)) if completion.logprobs else None
