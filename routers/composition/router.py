"""The router of a Composition of Experts (arXiv 2412.01868): a category, then its expert."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from routers.composition.classifier import Classifier, Kind, fit, load
from routers.composition.mapping import Utilities, solve, utilities
from routers.fitted.fitted_config import FittedConfig
from routers.fitted.predictor import Prediction, Predictor
from routers.fitted.router import FittedRouter
from routers.fitted.training_set import Floats, TrainingSet

BEHIND = 1e-3
"""Smallest distance of the other experts to the category's own one: more than rounding takes away,
even where predictions are trusted little."""

SHOWN_CATEGORIES = 3


class CompositionConfig(FittedConfig):
    """The keys of a Composition of Experts."""

    type: Literal["composition"]
    classifier: Kind = Field("knn", description="The classifier of a request's category.")
    neighbours: int = Field(
        24, ge=1, le=1024, description="Number of nearest questions that vote, for `knn`."
    )
    strength: float = Field(
        10.0, gt=0, description="Inverse regularisation strength, scikit-learn's C, for `logistic`."
    )
    prior_weight: float = Field(
        20.0,
        ge=0,
        description="Weight of an expert's overall mean in each category, as a number of answers.",
    )
    sizes: dict[str, float] = Field(
        default={},
        description="Billions of parameters of each expert; 1 for an expert that is not named.",
    )
    budget: float | None = Field(
        None,
        gt=0,
        description="Most parameters of all experts in the map together, in the same unit.",
    )
    active_budget: float | None = Field(
        None,
        gt=0,
        description="Most parameters of the expert that answers, on average over requests.",
    )

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """Sizes must be positive and of experts of the pool."""
        found = super().problems(experts)
        known = ", ".join(experts)
        unknown = tuple(
            f"sizes.{name}: no expert is called `{name}` (known: {known})."
            for name in self.sizes
            if name not in experts
        )
        bad = tuple(
            f"sizes.{name}: must be above 0." for name, size in self.sizes.items() if size <= 0
        )
        return (*found, *unknown, *bad)


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
        found = utilities(training_set, config.prior_weight)
        sizes = np.array([config.sizes.get(expert, 1.0) for expert in training_set.experts])
        general = config.coverage.general if config.coverage else None
        kept = (training_set.experts.index(general),) if general in training_set.experts else ()
        mapping = solve(found, sizes, config.budget, config.active_budget, kept)
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


class CompositionRouter(FittedRouter):
    """Routes in two steps: to the most probable category, and to the expert of that category.

    The map is the best one under a budget of parameters (`mapping.py`). Requests that are uncertain
    by entropy, margin or distance go to the general expert: see `coverage`.
    """

    Config = CompositionConfig
    predictor = Composition
