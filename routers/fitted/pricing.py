"""How much quality a price costs: choices along `quality_weight`, on held-out questions. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routers.fitted.cross_validation import HeldOut, trusted
from routers.fitted.training_set import Floats, TrainingSet

WEIGHTS = (1.0, *(round(1 - step, 3) for step in np.geomspace(0.002, 0.95, 40).tolist()))


@dataclass(frozen=True, slots=True)
class Priced:
    """What a weight comes to."""

    quality_weight: float
    price: float
    """Mean of a question, in the unit of the prices."""
    quality: float
    """Mean score of who is asked."""


def price_curve(
    training_set: TrainingSet, found: HeldOut, trust: float, prices: Floats
) -> list[Priced]:
    """Price and quality for each weight, from 1 downwards; `prices` [M] in the training set's order.

    The plan's rule: weight * quality - (1 - weight) * price / dearest. Where the chosen expert was
    not asked, its overall mean stands in the place of its score.
    """
    rows = found.known
    predicted = trusted(found.predicted[rows], found.means[rows], trust)
    scores = training_set.filled[rows]
    dearest = max(float(prices.max()), 1e-12)
    curve = []
    for weight in WEIGHTS:
        chosen = (weight * predicted - (1 - weight) * prices / dearest).argmax(axis=1)
        quality = scores[np.arange(len(rows)), chosen].mean()
        curve.append(Priced(weight, float(prices[chosen].mean()), float(quality)))
    return curve


def best_within(curve: Sequence[Priced], most: float) -> Priced | None:
    """The best of those that cost no more; None where even the cheapest does."""
    affordable = [one for one in curve if one.price <= most]
    return max(affordable, key=lambda one: (one.quality, one.quality_weight), default=None)
