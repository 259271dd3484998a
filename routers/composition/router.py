"""Composition of Experts (arXiv 2412.01868): category, then the expert that a budget leaves it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from routers.composition.classifier import Classifier, Kind, fit, load
from routers.composition.mapping import Utilities, solve, utilities
from routers.fitted.predictor import Look, Predictor
from routers.fitted.router import FittedConfig, FittedRouter
from routers.fitted.training_set import Evidence, Floats

BEHIND = 1e-3
"""How far the others stay behind the category's own expert, at least; more than rounding takes,
also where predictions are trusted little."""

SHOWN_CATEGORIES = 3


class CompositionConfig(FittedConfig):
    """The keys of a Composition of Experts."""

    type: Literal["composition"]
    classifier: Kind = Field("knn", description="How a request's category is found.")
    neighbours: int = Field(
        24, ge=1, le=1024, description="How many of the nearest questions vote, with `knn`."
    )
    strength: float = Field(
        10.0,
        gt=0,
        description="Inverse regularisation strength (C in scikit-learn), with `logistic`.",
    )
    prior_weight: float = Field(
        20.0,
        ge=0,
        description="How many answers at its overall mean each expert is credited with in every"
        " category.",
    )
    sizes: dict[str, float] = Field(
        default={},
        description="Size of each expert, in billions of parameters; 1 where an expert is not"
        " named.",
    )
    budget: float | None = Field(
        None,
        gt=0,
        description="Most billions of parameters of all experts in the map together; null: no"
        " bound.",
    )
    active_budget: float | None = Field(
        None,
        gt=0,
        description="Most billions of parameters of the answering expert, on average over the"
        " categories; null: no bound.",
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
    """Utilities of the most probable category, for the experts that the map keeps."""

    def __init__(
        self, classify: Classifier, found: Utilities, own: NDArray[np.intp], kept: NDArray[np.bool_]
    ) -> None:
        self._classify = classify
        self._found = found
        self._own = own
        """[C] the expert of each category."""
        self._kept = kept
        """[M] the experts that the budget leaves."""
        best = found.values[np.arange(len(own)), own][:, None]
        worth = np.where(kept, np.minimum(found.values, best - BEHIND), 0.0)
        worth[np.arange(len(own)), own] = best[:, 0]
        self._worth = worth
        """[C, M] utilities as the map sees them: nobody is better than a category's own expert."""
        self.means = np.where(kept, found.shares @ found.values, 0.0)

    @classmethod
    def fit(cls, evidence: Evidence, config: CompositionConfig) -> Self:
        found = utilities(evidence, config.prior_weight)
        sizes = np.array([config.sizes.get(expert, 1.0) for expert in evidence.experts])
        general = config.coverage.general if config.coverage else None
        kept = (evidence.experts.index(general),) if general in evidence.experts else ()
        mapping = solve(found, sizes, config.budget, config.active_budget, kept)
        classify = fit(
            config.classifier, evidence, found.categories, config.neighbours, config.strength
        )
        chosen = np.isin(np.arange(len(sizes)), mapping.chosen)
        return cls(classify, found, mapping.experts, chosen)

    @classmethod
    def load(
        cls, arrays: Mapping[str, NDArray[Any]], evidence: Evidence, config: CompositionConfig
    ) -> Self:
        names = tuple(bytes(arrays["categories"]).decode().split("\n"))
        found = Utilities(names, arrays["utilities"], arrays["shares"])
        if found.values.shape != (len(names), len(evidence.experts)):
            raise ValueError("the map is not of these experts")
        classify = load(config.classifier, arrays, evidence, names, config.neighbours)
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
        return self.look(vectors).scores

    def look(self, vectors: Floats) -> Look:
        """Scores, how unsure the category is, and how probable the likeliest ones are."""
        probable = self._classify(vectors)  # [B, C]
        orders = np.argsort(-probable, axis=1, kind="stable")[:, :SHOWN_CATEGORIES]
        names = self._found.categories
        words = [
            {"categories": {names[c]: round(float(own[c]), 3) for c in order}}
            for own, order in zip(probable, orders, strict=True)
        ]
        clipped = np.clip(probable, 1e-12, 1.0)
        entropy = -(clipped * np.log(clipped)).sum(axis=1)
        return Look(self._worth[probable.argmax(axis=1)], entropy, words=words)


class CompositionRouter(FittedRouter):
    """Two steps: the most probable category, and the expert that the map gives to it.

    The map is the best one under a budget of parameters (`mapping.py`). Who is uncertain, by
    entropy, margin or distance, is sent to the general expert: see `coverage`.
    """

    Config = CompositionConfig
    predictor = Composition
