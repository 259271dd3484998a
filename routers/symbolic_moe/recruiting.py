"""Recruiting of Symbolic-MoE: probabilities from the points in skills, then a draw (section 3.2).

The paper and its released code differ; both are implemented.

    paper   gamma_i = total_i / sum_j total_j;   p = softmax(gamma_i * S_i / T), T = 0.5
    code    gamma_i = total_i^2 / sum_j total_j^2;   p in proportion to S_i * gamma_i of those
            with S_i > 0

Where the smallest total is negative, all are shifted up until it is 1, as the code does. So are the
S_i where no expert has S_i > 0, which the paper leaves open: otherwise gamma would bring a weaker
expert's negative S_i closer to 0, and the weakest expert would be drawn most often.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Literal

import numpy as np
from scipy.special import softmax

from routers.fitted.training_set import Floats

Mode = Literal["paper", "code"]
TEMPERATURE = 0.5


def chances(local: Floats, totals: Floats, mode: Mode) -> Floats:
    """[M] probabilities of being drawn, from points in the skills and points in all."""
    if totals.min() < 0:
        totals = totals - totals.min() + 1
    if totals.sum() == 0:
        totals = np.ones_like(totals)
    if local.max() <= 0:
        local = local - local.min() + 1
    if mode == "paper":
        return np.asarray(softmax(totals / totals.sum() * local / TEMPERATURE))
    strength = totals ** (1 / TEMPERATURE)
    strength = strength / strength.sum()
    weights = np.where(local > 0, local, 0.0) * strength
    if weights.sum() == 0:  # Those with points in these skills have none in all.
        weights = (local - local.min() + 1) * strength
    return np.asarray(weights / weights.sum())


def draw(probabilities: Floats, count: int, replace: bool, random: Random) -> list[int]:
    """Recruited experts by number, most probable first; with `replace`, one may be drawn again."""
    drawn: list[int] = []
    left = probabilities.astype(float).copy()
    for _ in range(count if replace else min(count, int((left > 0).sum()))):
        drawn.append(random.choices(range(len(left)), left.tolist())[0])
        if not replace:
            left[drawn[-1]] = 0.0
    return sorted(drawn, key=lambda expert: (-probabilities[expert], expert))


def trim(panels: Sequence[Sequence[int]], share: float, random: Random) -> list[list[int]]:
    """Replace experts that take part in fewer than `share` of the panels of a batch.

    A frequent expert is drawn for each such place, in proportion to how often it is used. Where no
    expert is frequent, nothing changes.
    """
    used = Counter(expert for panel in panels for expert in set(panel))
    frequent = {e: n for e, n in sorted(used.items()) if n >= share * len(panels)}
    if not frequent:
        return [list(panel) for panel in panels]
    names, weights = list(frequent), list(frequent.values())

    def place(expert: int) -> int:
        return expert if expert in frequent else random.choices(names, weights)[0]

    return [[place(expert) for expert in panel] for panel in panels]
