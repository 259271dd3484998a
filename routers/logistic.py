"""Logistic regression: for each expert, the probability that it is right, from the vector."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from routers.fitted.fitted_config import FittedConfig
from routers.fitted.predictor import Predictor
from routers.fitted.router import FittedRouter
from routers.fitted.training_set import Floats, TrainingSet


class LogisticConfig(FittedConfig):
    """The keys of a logistic router."""

    type: Literal["logistic"]
    strength: float = Field(
        1.0,
        gt=0,
        description="Inverse regularisation strength, scikit-learn's C: larger fits the answers"
        " closer.",
    )


class Logistic(Predictor):
    """One regression per expert, on the questions it answered; graded scores become weights.

    An expert whose scores are all equal is predicted to keep that score.
    """

    def __init__(self, means: Floats, weights: Floats, biases: Floats) -> None:
        self.means = means
        self._weights = weights
        self._biases = biases

    @classmethod
    def fit(cls, training_set: TrainingSet, config: LogisticConfig) -> Self:
        fitted = [
            _fit_one(training_set.vectors, training_set.scores[:, column], config.strength)
            for column in range(len(training_set.experts))
        ]
        weights = np.stack([weight for weight, _ in fitted], axis=1)
        return cls(training_set.means, weights, np.array([bias for _, bias in fitted]))

    @classmethod
    def load(
        cls, arrays: Mapping[str, NDArray[Any]], training_set: TrainingSet, config: LogisticConfig
    ) -> Self:
        if arrays["weights"].shape != (training_set.vectors.shape[1], len(training_set.experts)):
            raise ValueError("the weights are not of these experts")
        return cls(training_set.means, arrays["weights"], arrays["biases"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"weights": self._weights, "biases": self._biases}

    def predict(self, vectors: Floats) -> Floats:
        return np.asarray(expit(vectors @ self._weights + self._biases))


def _fit_one(vectors: Floats, scores: Floats, strength: float) -> tuple[Floats, float]:
    asked = ~np.isnan(scores)
    vectors, scores = vectors[asked], scores[asked]
    mean = float(np.clip(scores.mean(), 1e-3, 1 - 1e-3))
    if np.ptp(scores) == 0:
        return np.zeros(vectors.shape[1]), float(np.log(mean / (1 - mean)))
    # A score of 0.7 is 0.7 of a right answer and 0.3 of a wrong one.
    both = np.concatenate([vectors, vectors])
    labels = np.repeat([1, 0], len(scores))
    weights = np.concatenate([scores, 1 - scores])
    kept = weights > 0
    model = LogisticRegression(C=strength, tol=1e-3, max_iter=200)
    model.fit(both[kept], labels[kept], sample_weight=weights[kept])
    return model.coef_[0], float(model.intercept_[0])


class LogisticRouter(FittedRouter):
    """Routes by one logistic regression per expert on the question's vector."""

    Config = LogisticConfig
    predictor = Logistic
