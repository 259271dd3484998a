"""Nearest neighbours: an expert is as good as it was on the most similar probe questions."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from routers.fitted.neighbours import Near, find
from routers.fitted.predictor import Look, Predictor
from routers.fitted.router import FittedConfig, FittedRouter
from routers.fitted.training_set import Evidence, Floats, blocks


class KnnConfig(FittedConfig):
    """The keys of a nearest-neighbour router."""

    type: Literal["knn"]
    neighbours: int = Field(
        16, ge=1, le=1024, description="How many of the nearest questions count."
    )
    temperature: float = Field(
        0.1,
        gt=0,
        description="Lower values weigh the nearest question more, higher ones weigh all alike.",
    )
    prior_weight: float = Field(
        0.3,
        gt=0,
        description="Weight of an expert's overall mean; a neighbour weighs as much as it is"
        " similar.",
    )


class Knn(Predictor):
    """The mean of an expert's scores on the neighbours that it answered, drawn to its overall mean.

    A neighbour weighs its similarity, times exp(-how much less similar than the nearest /
    `temperature`). So an expert with few answers near the request, or a request far from every
    question, gets the overall mean.
    """

    def __init__(self, evidence: Evidence, config: KnnConfig) -> None:
        self._evidence = evidence
        self._config = config
        self.means = evidence.means

    @classmethod
    def fit(cls, evidence: Evidence, config: KnnConfig) -> Self:
        return cls(evidence, config)

    @classmethod
    def load(
        cls, arrays: Mapping[str, NDArray[Any]], evidence: Evidence, config: KnnConfig
    ) -> Self:
        return cls(evidence, config)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def predict(self, vectors: Floats) -> Floats:
        return self.look(vectors).scores

    def look(self, vectors: Floats) -> Look:
        """Scores, and the neighbours that they are of."""
        near = find(self._evidence.vectors, vectors, self._config.neighbours)
        found = [self._means(Near(*part)) for part in zip(*map(blocks, near), strict=True)]
        return Look(np.concatenate(found), near=near)

    def _means(self, near: Near) -> Floats:
        scores = self._evidence.scores[near.rows]  # [texts, neighbours, experts]
        similarities = near.similarities.astype(np.float64)
        fading = np.exp((similarities - similarities[:, :1]) / self._config.temperature)
        # A negative similarity says no more about an expert than a question far away.
        closeness = np.clip(similarities, 0.0, None) * fading
        weights = np.where(np.isnan(scores), 0.0, closeness[:, :, None])
        gained = (weights * np.nan_to_num(scores)).sum(axis=1)
        prior = self._config.prior_weight
        means: Floats = (gained + prior * self.means) / (weights.sum(axis=1) + prior)
        return means


class KnnRouter(FittedRouter):
    """Cosine nearest neighbours over the outcome table.

    Equal scores go to the expert with the higher overall mean, then by name.
    """

    Config = KnnConfig
    predictor = Knn
