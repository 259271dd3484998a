"""Quality against price: what each `quality_weight` would choose on held-out questions. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routers.fitted.cross_validation import HeldOut
from routers.fitted.training_set import Floats, TrainingSet

WEIGHTS = (1.0, *(round(1 - step, 3) for step in np.geomspace(0.002, 0.95, 40).tolist()))


@dataclass(frozen=True, slots=True)
class PricePoint:
    """Price and quality of the choices that a weight makes."""

    quality_weight: float
    price: float
    """Mean price of a question, in the unit of the prices."""
    quality: float
    """Mean score of the experts that are asked."""


def price_curve(
    training_set: TrainingSet, found: HeldOut, trust: float, prices: Floats
) -> list[PricePoint]:
    """Price and quality for each weight, from 1 down; `prices` [M] in the training set's order.

    The plan's rule: weight * quality - (1 - weight) * price / dearest. Where the chosen expert was
    not asked, its overall mean takes the place of its score.
    """
    rows = found.known
    predicted = found.as_trusted(trust).predicted[rows]
    scores = training_set.filled[rows]
    dearest = max(float(prices.max()), 1e-12)
    curve = []
    for weight in WEIGHTS:
        chosen = (weight * predicted - (1 - weight) * prices / dearest).argmax(axis=1)
        quality = scores[np.arange(len(rows)), chosen].mean()
        curve.append(PricePoint(weight, float(prices[chosen].mean()), float(quality)))
    return curve


def best_within(curve: Sequence[PricePoint], most: float) -> PricePoint | None:
    """The best point that costs at most `most`; None where even the cheapest costs more."""
    affordable = [one for one in curve if one.price <= most]
    return max(affordable, key=lambda one: (one.quality, one.quality_weight), default=None)
