"""The router of a Composition of Experts (arXiv 2412.01868): a category, then its expert."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routers.composition.classifier import Classifier, fit, load
from routers.composition.composition_config import CompositionConfig
from routers.composition.mapping import Utilities, solve, utilities
from routers.composition.unlabelled import check, labelled
from routers.fitted.fitting import Fitted
from routers.fitted.predictor import Prediction, Predictor
from routers.fitted.router import FittedRouter
from routers.fitted.training_set import Floats, TrainingSet

BEHIND = 1e-3
"""Smallest distance of the other experts to the category's own one: more than rounding takes away,
even where predictions are trusted little."""

SHOWN_CATEGORIES = 3


class Composition(Predictor):
    """Predicts the utilities of the most probable category, for the experts that the map keeps."""

    def __init__(
        self, classify: Classifier, found: Utilities, own: NDArray[np.intp], kept: NDArray[np.bool_]
    ) -> None:
        self._classify = classify
        self._found = found
        self._own = own
        """[C] the expert of each category."""
        self._kept = kept
        """[M] bool: the experts that the budget allows."""
        best = found.values[np.arange(len(own)), own][:, None]
        worth = np.where(kept, np.minimum(found.values, best - BEHIND), 0.0)
        worth[np.arange(len(own)), own] = best[:, 0]
        self._worth = worth
        """[C, M] utilities, capped so that no expert is better than the category's own one."""
        self.means = np.where(kept, found.shares @ found.values, 0.0)

    @classmethod
    def fit(cls, training_set: TrainingSet, config: CompositionConfig) -> Self:
        training_set = _labelled(training_set, config)
        found = utilities(training_set, config.prior_weight)
        sizes, active = config.sizes_of(training_set.experts)
        general = config.coverage.general if config.coverage else None
        kept = (training_set.experts.index(general),) if general in training_set.experts else ()
        mapping = solve(found, sizes, config.budget, config.active_budget, kept, active)
        classify = fit(
            config.classifier, training_set, found.categories, config.neighbours, config.strength
        )
        chosen = np.isin(np.arange(len(sizes)), mapping.chosen)
        return cls(classify, found, mapping.experts, chosen)

    @classmethod
    def load(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        training_set: TrainingSet,
        config: CompositionConfig,
    ) -> Self:
        names = tuple(bytes(arrays["categories"]).decode().split("\n"))
        found = Utilities(names, arrays["utilities"], arrays["shares"])
        if found.values.shape != (len(names), len(training_set.experts)):
            raise ValueError("the map is not of these experts")
        training_set = _labelled(training_set, config)
        classify = load(config.classifier, arrays, training_set, names, config.neighbours)
        return cls(classify, found, arrays["own"], arrays["kept"].astype(bool))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "categories": np.frombuffer("\n".join(self._found.categories).encode(), np.uint8),
            "utilities": self._found.values,
            "shares": self._found.shares,
            "own": self._own,
            "kept": self._kept.astype(np.uint8),
            **self._classify.arrays(),
        }

    def predict(self, vectors: Floats) -> Floats:
        return self.predict_detailed(vectors).scores

    def predict_detailed(self, vectors: Floats) -> Prediction:
        """Scores, the entropy of the category, and the probabilities of the likeliest ones."""
        probable = self._classify(vectors)  # [B, C]
        orders = np.argsort(-probable, axis=1, kind="stable")[:, :SHOWN_CATEGORIES]
        names = self._found.categories
        details = [
            {"categories": {names[c]: round(float(own[c]), 3) for c in order}}
            for own, order in zip(probable, orders, strict=True)
        ]
        clipped = np.clip(probable, 1e-12, 1.0)
        entropy = -(clipped * np.log(clipped)).sum(axis=1)
        return Prediction(self._worth[probable.argmax(axis=1)], entropy, details=details)


def _labelled(training_set: TrainingSet, config: CompositionConfig) -> TrainingSet:
    return labelled(training_set, config.unlabelled, config.neighbours, config.label_confidence)


class CompositionRouter(FittedRouter):
    """Routes in two steps: to the most probable category, and to the expert of that category.

    The map is the best one under a budget of parameters (`mapping.py`). Requests that are uncertain
    by entropy, margin or distance go to the general expert: see `coverage`.
    """

    Config = CompositionConfig
    predictor = Composition

    @classmethod
    def fit(cls, training_set: TrainingSet, config: Any) -> Fitted:
        """As every fitted router. Raises ConfigError for keys that do not fit the outcomes."""
        check(training_set, config.unlabelled)
        if config.budget is not None or config.active_budget is not None:
            config.check_sizes(training_set.experts)
        return super().fit(training_set, config)
