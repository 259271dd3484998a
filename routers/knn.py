"""Nearest neighbours: an expert is expected to do as well as on the most similar questions."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from routers.fitted.fitted_config import FittedConfig
from routers.fitted.neighbours import closeness, find_neighbours, near_means
from routers.fitted.predictor import Prediction, Predictor
from routers.fitted.router import FittedRouter
from routers.fitted.training_set import Floats, TrainingSet, blocks


class KnnConfig(FittedConfig):
    """The keys of a nearest-neighbour router."""

    type: Literal["knn"]
    neighbours: int = Field(
        16, ge=1, le=1024, description="Number of nearest questions that count for a request."
    )
    temperature: float = Field(
        0.1,
        gt=0,
        description="The lower, the more the nearest neighbour counts; the higher, the more alike.",
    )
    prior_weight: float = Field(
        0.3,
        gt=0,
        description="Weight of an expert's overall mean; the nearest neighbour weighs its"
        " similarity.",
    )


class Knn(Predictor):
    """The mean of an expert's scores on the neighbours it answered, shrunk to its overall mean.

    A neighbour weighs its similarity times exp(-(similarity of the nearest - its own) /
    `temperature`). So an expert with few answers near the request, or a request far from every
    question, gets the overall mean.
    """

    def __init__(self, training_set: TrainingSet, config: KnnConfig) -> None:
        self._training_set = training_set
        self._config = config
        self.means = training_set.means

    @classmethod
    def fit(cls, training_set: TrainingSet, config: KnnConfig) -> Self:
        return cls(training_set, config)

    @classmethod
    def load(
        cls, arrays: Mapping[str, NDArray[Any]], training_set: TrainingSet, config: KnnConfig
    ) -> Self:
        return cls(training_set, config)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def predict(self, vectors: Floats) -> Floats:
        return self.predict_detailed(vectors).scores

    def predict_detailed(self, vectors: Floats) -> Prediction:
        """Scores [B, M], and the neighbours that they were computed from."""
        near = find_neighbours(self._training_set.vectors, vectors, self._config.neighbours)
        weights = closeness(near.similarities, self._config.temperature)
        prior, scores = self._config.prior_weight, self._training_set.scores
        parts = zip(blocks(near.rows), blocks(weights), strict=True)
        found = [near_means(scores[rows], part, self.means, prior) for rows, part in parts]
        return Prediction(np.concatenate(found), neighbours=near, weights=weights)


class KnnRouter(FittedRouter):
    """Routes by the nearest questions of the outcome table, by cosine.

    Equal scores go to the expert with the higher overall mean, then by name.
    """

    Config = KnnConfig
    predictor = Knn
