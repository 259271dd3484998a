"""Recruiting of Symbolic-MoE: who answers a question with some skills (section 3.2). Pure.

The paper and its released code differ, and a draw is not what wins; all three are implemented.

    paper   gamma_i = total_i / mean_j total_j;   p = softmax(gamma_i * S_i / T), T = 0.5
    code    gamma_i = total_i^2 / mean_j total_j^2;   p in proportion to S_i * gamma_i of those
            with S_i > 0
    best    the most accurate in the skills, no draw; on request, less who errs as others of the
            panel do

S_i are points per answer in the skills, in -1..1, and total_i is the share of right answers in all.
The paper has sums of points in both places and divides gamma by the sum of the totals; with shares
and the mean, the chances do not depend on the sizes of the table and of the pool. Where no expert
has S_i > 0, which the paper leaves open, all S_i are shifted up until the smallest is 1: otherwise
gamma would bring a weaker expert's negative S_i closer to 0, and it would be drawn most often.
"""

from collections.abc import Sequence
from random import Random
from typing import Literal

import numpy as np
from scipy.special import softmax

from routers.fitted.training_set import Floats

Mode = Literal["best", "paper", "code"]
TEMPERATURE = 0.5
NEGLIGIBLE = 1e-12
"""Shares of answers are 0, or larger than this."""


def chances(points: Floats, totals: Floats, mode: Literal["paper", "code"]) -> Floats:
    """[M] probabilities of being drawn, from points in the skills and shares right in all."""
    strength = _relative(totals)
    if points.max() < NEGLIGIBLE:
        points = points - points.min() + 1
    if mode == "paper":
        return np.asarray(softmax(strength * points / TEMPERATURE))
    strength = strength ** (1 / TEMPERATURE)
    weights = np.maximum(points, 0.0) / points.max() * strength
    if weights.max() < NEGLIGIBLE:  # Those with points in these skills have none in all.
        weights = (points - points.min() + 1) * strength
    return np.asarray(weights / weights.sum())


def _relative(totals: Floats) -> Floats:
    """Shares as multiples of their mean; all equal where nobody has any."""
    if totals.max() < NEGLIGIBLE:
        return np.ones_like(totals)
    return np.asarray(totals / totals.mean())


def draw(probabilities: Floats, count: int, distinct: bool, random: Random) -> list[int]:
    """Recruited experts by number, most probable first; each only once where they are `distinct`.

    Fewer than `count` where fewer have a chance and must be distinct.
    """
    drawn: list[int] = []
    left = probabilities.astype(float).copy()
    for _ in range(min(count, int((left > 0).sum())) if distinct else count):
        drawn.append(random.choices(range(len(left)), left.tolist())[0])
        if distinct:
            left[drawn[-1]] = 0.0
    return sorted(drawn, key=lambda expert: (-probabilities[expert], expert))


def best(quality: Floats, count: int, agreement: Floats, weight: float) -> list[int]:
    """The `count` experts of highest quality [M], which is -inf for those that are out of question.

    Each is chosen after those before it: its quality less `weight` times its mean agreement [M, M]
    with them, because a vote's error grows with the mean of the correlations of its voters'
    errors. Ties go to the lower number.
    """
    chosen: list[int] = []
    worth = quality.astype(float).copy()
    alike = np.zeros_like(worth)
    for others in range(min(count, int(np.isfinite(quality).sum()))):
        chosen.append(int(np.argmax(worth - weight * alike / max(others, 1))))
        alike += agreement[:, chosen[-1]]
        worth[chosen[-1]] = -np.inf
    return chosen


def worth_asking(quality: Floats, least: float) -> Floats:
    """The qualities [M], -inf for who has less than `least` of the best one's.

    A panel gains nothing from an expert that is hardly ever right, and may lose.
    """
    return np.where(quality >= least * quality.max(), quality, -np.inf)


def rare(panels: Sequence[Sequence[int]], experts: int, share: float) -> frozenset[int]:
    """The experts, of 0 to `experts` - 1, in fewer than `share` of the panels of a profile run.

    They are not worth a load. Nobody is rare where everybody would be.
    """
    used = np.zeros(experts)
    for panel in panels:
        used[list(set(panel))] += 1
    found = frozenset(np.flatnonzero(used < share * len(panels)).tolist())
    return found if len(found) < experts else frozenset()
