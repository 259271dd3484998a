"""How good a fitted router is on questions that it has not seen: grouped cross-validation."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from routers.fitted.predictor import Predictor
from routers.fitted.training_set import Floats, Indices, TrainingSet

FOLDS = 5
FEWEST_GROUPS = 10
SHRINKAGE = (1.0, 0.8, 0.6, 0.4, 0.2)
SIGMAS = 1.0
SCORE_DIGITS = 4
"""Of a predicted score that count: more would tell experts apart by how many requests come at once,
as the last bits of a product depend on how many rows are multiplied together."""


Fit = Callable[[TrainingSet], Predictor]


class RoutingGain(NamedTuple):
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


class HeldOut(NamedTuple):
    """What is said of each question by a router that was fitted without it; else NaN."""

    predicted: Floats
    """[N, M]"""
    means: Floats
    """[N, M] what that router thinks of the experts on any question."""
    entropy: Floats
    """[N] how unsure it is of the question's category; NaN where it knows no categories."""

    @property
    def known(self) -> Indices:
        """The questions about which something is said."""
        return np.flatnonzero(~np.isnan(self.predicted).any(axis=1))

    def as_trusted(self, trust: float) -> "HeldOut":
        """The same, predictions being followed so far."""
        return self._replace(predicted=trusted(self.predicted, self.means, trust))


def held_out(training_set: TrainingSet, fit: Fit, seed: int = 0) -> HeldOut:
    """Fit without each fifth of the groups in turn; nothing where there are too few groups."""
    shape = training_set.scores.shape
    nothing = (np.full(size, np.nan) for size in (shape, shape, shape[0]))
    found = HeldOut(*nothing)
    for seen, unseen in folds(training_set, seed):
        part = training_set.take(seen)
        if np.isnan(part.scores).all(axis=0).any():
            continue  # Somebody answered only questions of this fold.
        fitted = fit(part)
        said = fitted.predict_detailed(training_set.vectors[unseen])
        found.predicted[unseen] = said.scores
        found.means[unseen] = fitted.means
        if said.entropy is not None:
            found.entropy[unseen] = said.entropy
    return found


def folds(training_set: TrainingSet, seed: int = 0) -> Iterator[tuple[Indices, Indices]]:
    """Questions to fit on and the others, five times; never where there are too few groups."""
    groups = training_set.groups
    if len(np.unique(groups)) < FEWEST_GROUPS:
        return
    # Each group into one fold, at random; scikit-learn's GroupKFold would take a second to import.
    fold = np.random.default_rng(seed).permutation(groups.max() + 1)[groups] % FOLDS
    for number in range(FOLDS):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def routing_gain(training_set: TrainingSet, found: HeldOut) -> RoutingGain | None:
    """Choose the trust whose gain is most surely above 0, by a standard error.

    Predictions are drawn to the means by what trust lacks. A gain counts only where both the
    chosen and the best single expert answered. None where nothing was held out.
    """
    if not len(found.known):
        return None
    candidates = (_gain(training_set, found, trust) for trust in SHRINKAGE)
    best = max(candidates, key=lambda one: one.gain - SIGMAS * one.error)
    return best if best.gain > SIGMAS * best.error else RoutingGain(0.0, 0.0, 0.0)


def trusted(predicted: Floats, means: Floats, trust: float) -> Floats:
    """Predictions [B, M] drawn to the means [M] or [B, M], in 0..1, with the digits that count."""
    drawn = means + trust * (predicted - means)
    return np.asarray(np.round(np.clip(drawn, 0, 1), SCORE_DIGITS))


def _gain(training_set: TrainingSet, found: HeldOut, trust: float) -> RoutingGain:
    rows = found.known
    means = found.means[rows]
    chosen = trusted(found.predicted[rows], means, trust).argmax(axis=1)
    gains = training_set.scores[rows, chosen] - training_set.scores[rows, means.argmax(axis=1)]
    gains = gains[~np.isnan(gains)]
    if len(gains) < FEWEST_GROUPS:
        return RoutingGain(trust, 0.0, float("inf"))
    return RoutingGain(trust, float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains))))
