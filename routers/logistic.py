"""Logistic regression: for each expert, how likely it is right, from the question's vector."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from routers.fitted.predictor import Predictor
from routers.fitted.router import FittedConfig, FittedRouter
from routers.fitted.training_set import Evidence, Floats


class LogisticConfig(FittedConfig):
    """The keys of a logistic router."""

    type: Literal["logistic"]
    strength: float = Field(
        1.0,
        gt=0,
        description="Inverse regularisation strength (C in scikit-learn): larger values follow the"
        " answers more closely.",
    )


class Logistic(Predictor):
    """One regression per expert, on the questions that it answered; graded scores are weights.

    An expert whose scores are all equal is predicted to go on so.
    """

    def __init__(self, means: Floats, weights: Floats, biases: Floats) -> None:
        self.means = means
        self._weights = weights
        self._biases = biases

    @classmethod
    def fit(cls, evidence: Evidence, config: LogisticConfig) -> Self:
        fitted = [
            _fit_one(evidence.vectors, evidence.scores[:, column], config.strength)
            for column in range(len(evidence.experts))
        ]
        weights = np.stack([weight for weight, _ in fitted], axis=1)
        return cls(evidence.means, weights, np.array([bias for _, bias in fitted]))

    @classmethod
    def load(
        cls, arrays: Mapping[str, NDArray[Any]], evidence: Evidence, config: LogisticConfig
    ) -> Self:
        if arrays["weights"].shape != (evidence.vectors.shape[1], len(evidence.experts)):
            raise ValueError("the weights are not of these experts")
        return cls(evidence.means, arrays["weights"], arrays["biases"])

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
    """A logistic regression per expert on the question's vector."""

    Config = LogisticConfig
    predictor = Logistic
