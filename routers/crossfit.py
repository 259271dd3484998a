"""How good a fitted router is on questions that it has not seen: grouped cross-validation."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GroupKFold

from routers.evidence import Evidence, Floats, Indices

FOLDS = 5
FEWEST_GROUPS = 10
SHRINKAGE = (1.0, 0.8, 0.6, 0.4, 0.2)
SIGMAS = 1.0

Fit = Callable[[Evidence], Callable[[Floats], Floats]]
"""Fits on some questions and predicts [B, M] for the vectors [B, d] of others."""


class Worth(NamedTuple):
    """What routing brings on questions that were held out of its fitting."""

    trust: float
    """How far a prediction may leave an expert's overall mean: 1 wholly, 0 not at all."""
    gain: float
    """Mean score above that of the best single expert, with this trust."""
    error: float
    """Standard error of the gain."""

    @property
    def pays(self) -> bool:
        """Whether anything but the best single expert is worth asking."""
        return self.trust > 0


def held_out(evidence: Evidence, fit: Fit, seed: int = 0) -> tuple[Floats, Floats]:
    """Predictions [N, M] for each question by a router that was fitted without its group.

    The second result [N, M] is what the experts' overall means were without it. Both are NaN
    where there are too few different questions to hold any out.
    """
    shape = evidence.scores.shape
    predicted, means = np.full(shape, np.nan), np.full(shape, np.nan)
    groups = evidence.groups
    if len(np.unique(groups)) < FEWEST_GROUPS:
        return predicted, means
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    for seen, unseen in folds.split(evidence.vectors, groups=groups):
        part = evidence.take(seen)
        if np.isnan(part.scores).all(axis=0).any():
            continue  # Somebody answered only questions of this fold.
        predicted[unseen] = fit(part)(evidence.vectors[unseen])
        means[unseen] = part.means
    return predicted, means


def worth(evidence: Evidence, predicted: Floats, means: Floats) -> Worth:
    """Choose the trust whose gain is most surely above 0, by a standard error.

    Predictions are drawn to the means by what trust lacks. A gain counts only where both the
    chosen and the best single expert answered.
    """
    candidates = (_gain(evidence, predicted, means, trust) for trust in SHRINKAGE)
    best = max(candidates, key=lambda one: one.gain - SIGMAS * one.error)
    return best if best.gain > SIGMAS * best.error else Worth(0.0, 0.0, 0.0)


def shrunk(predicted: Floats, means: Floats, trust: float) -> Floats:
    """Predictions [B, M] drawn to the means [M] or [B, M]."""
    drawn: Floats = means + trust * (predicted - means)
    return drawn


def _gain(evidence: Evidence, predicted: Floats, means: Floats, trust: float) -> Worth:
    usable = ~np.isnan(predicted).any(axis=1)
    if not usable.any():
        return Worth(trust, 0.0, np.inf)
    rows: Indices = np.flatnonzero(usable)
    chosen = shrunk(predicted[rows], means[rows], trust).argmax(axis=1)
    single = means[rows].argmax(axis=1)
    gains = evidence.scores[rows, chosen] - evidence.scores[rows, single]
    gains = gains[~np.isnan(gains)]
    if len(gains) < FEWEST_GROUPS:
        return Worth(trust, 0.0, np.inf)
    return Worth(trust, float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains))))
