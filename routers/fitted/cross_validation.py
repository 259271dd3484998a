"""Grouped cross-validation: what a fitted router gains on questions that it has not seen."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from routers.fitted.predictor import Predictor
from routers.fitted.support import Support
from routers.fitted.training_set import Floats, Indices, TrainingSet

FOLDS = 5
FEWEST_GROUPS = 10
SHRINKAGE = (1.0, 0.8, 0.6, 0.4, 0.2)
SIGMAS = 1.0
SCORE_DIGITS = 4
"""Digits of a predicted score that count. The last bits of a product depend on how many rows are
multiplied together, so more digits would make decisions depend on the size of a batch."""


Fit = Callable[[TrainingSet], Predictor]


class RoutingGain(NamedTuple):
    """What routing gains on questions that were held out of the fit."""

    trust: float
    """How far predictions may move away from the overall means: 1 all the way, 0 not at all."""
    gain: float
    """Mean score minus that of the best single expert, with this trust."""
    error: float
    """Standard error of the gain."""

    @property
    def pays(self) -> bool:
        """Whether routing is better than always asking the best single expert."""
        return self.trust > 0


class HeldOut(NamedTuple):
    """Predictions for each question by a router fitted without it; NaN where there are none."""

    predicted: Floats
    """[N, M]"""
    means: Floats
    """[N, M] the overall means of that router's training set."""
    entropy: Floats
    """[N] entropy of the question's category; NaN for a router without categories."""
    support: Floats
    """[N, M] how far the experts' evidence supports predictions; NaN where there are none."""

    @property
    def known(self) -> Indices:
        """Row numbers of the questions with predictions."""
        return np.flatnonzero(~np.isnan(self.predicted).any(axis=1))

    def as_trusted(self, trust: float) -> "HeldOut":
        """The same, with predictions followed as far as trust and support go."""
        followed = trusted(self.predicted, self.means, trust, self.support)
        return self._replace(predicted=followed)


def held_out(training_set: TrainingSet, fit: Fit, seed: int = 0) -> HeldOut:
    """Fit without each fifth of the groups in turn; all NaN where there are too few groups."""
    shape = training_set.scores.shape
    nothing = (np.full(size, np.nan) for size in (shape, shape, shape[0], shape))
    found = HeldOut(*nothing)
    for seen, unseen in folds(training_set, seed):
        part = training_set.take(seen)
        if np.isnan(part.scores).all(axis=0).any():
            continue  # Some expert answered only questions of this fold.
        fitted = fit(part)
        said = fitted.predict_detailed(training_set.vectors[unseen])
        found.predicted[unseen] = said.scores
        found.means[unseen] = fitted.means
        support = Support.of(part.vectors, part.scores)
        found.support[unseen] = support.at(training_set.vectors[unseen])
        if said.entropy is not None:
            found.entropy[unseen] = said.entropy
    return found


def folds(training_set: TrainingSet, seed: int = 0) -> Iterator[tuple[Indices, Indices]]:
    """Five times, row numbers to fit on and the others; none where there are too few groups."""
    groups = training_set.groups
    if len(np.unique(groups)) < FEWEST_GROUPS:
        return
    # Each group into one fold, at random; scikit-learn's GroupKFold would take a second to import.
    fold = np.random.default_rng(seed).permutation(groups.max() + 1)[groups] % FOLDS
    for number in range(FOLDS):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def routing_gain(training_set: TrainingSet, found: HeldOut) -> RoutingGain | None:
    """Choose the trust whose gain, minus one standard error, is largest.

    A question counts only where it is known how both the chosen and the best single expert do. Zero
    trust where no gain is above its standard error; None where nothing was held out.
    """
    if not len(found.known):
        return None
    candidates = (_gain(training_set, found, trust) for trust in SHRINKAGE)
    best = max(candidates, key=lambda one: one.gain - SIGMAS * one.error)
    return best if best.gain > SIGMAS * best.error else RoutingGain(0.0, 0.0, 0.0)


def trusted(predicted: Floats, means: Floats, trust: float, support: Floats) -> Floats:
    """Predictions [B, M] shrunk towards the means [M] or [B, M], in 0..1, rounded.

    What an expert's evidence does not support (`support` [B, M], 0..1) counts as wrong.
    """
    drawn = means + trust * (predicted - means)
    return np.asarray(np.round(np.clip(drawn, 0, 1) * support, SCORE_DIGITS))


def _gain(training_set: TrainingSet, found: HeldOut, trust: float) -> RoutingGain:
    rows = found.known
    means = found.means[rows]
    chosen = found.as_trusted(trust).predicted[rows].argmax(axis=1)
    # An expert that was never asked anything like a question does not know it.
    unknown = np.isnan(training_set.scores[rows]) & (found.support[rows] == 0)
    scores = np.where(unknown, 0.0, training_set.scores[rows])
    each = np.arange(len(rows))
    gains = scores[each, chosen] - scores[each, means.argmax(axis=1)]
    gains = gains[~np.isnan(gains)]
    if len(gains) < FEWEST_GROUPS:
        return RoutingGain(trust, 0.0, float("inf"))
    return RoutingGain(trust, float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains))))
