"""Matrix factorisation: questions and experts share a small space (RouteLLM, EmbedLLM).

arXiv 2406.18665, section 4.2, and arXiv 2410.02223, for any number of experts.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import expit

from routers.fitted.predictor import Predictor
from routers.fitted.router import FittedConfig, FittedRouter
from routers.fitted.training_set import Evidence, Floats

INIT_STD = 0.1


class FactorsConfig(FittedConfig):
    """The keys of a factorising router."""

    type: Literal["factors"]
    rank: int = Field(
        32, ge=1, le=384, description="Dimensions of the space that questions and experts share."
    )
    decay: float = Field(1e-4, ge=0, description="Penalty on large factors (weight decay).")
    iterations: int = Field(60, ge=1, description="Most iterations of L-BFGS.")
    seed: int = Field(0, ge=0, description="Seed of the first factors.")


class Factors(Predictor):
    """P(expert m is right on x) = sigmoid((x A) P_m + b_m); A and P by L-BFGS on the log loss."""

    def __init__(self, means: Floats, questions: Floats, experts: Floats, biases: Floats) -> None:
        self.means = means
        self._questions = questions
        """[dimension, rank]"""
        self._experts = experts
        """[M, rank]"""
        self._biases = biases

    @classmethod
    def fit(cls, evidence: Evidence, config: FactorsConfig) -> Self:
        vectors = evidence.vectors.astype(np.float64)
        dimension, count = vectors.shape[1], len(evidence.experts)
        rank = min(config.rank, dimension)
        means = np.clip(evidence.means, 1e-3, 1 - 1e-3)
        start = np.random.default_rng(config.seed).normal(
            scale=INIT_STD, size=rank * (dimension + count)
        )
        asked = ~np.isnan(evidence.scores)
        scores = np.nan_to_num(evidence.scores)

        def split(flat: Floats) -> tuple[Floats, Floats, Floats]:
            a, p, b = np.split(flat, [rank * dimension, rank * (dimension + count)])
            return a.reshape(dimension, rank), p.reshape(count, rank), b

        def loss(flat: Floats) -> tuple[float, Floats]:
            a, p, b = split(flat)
            hidden = vectors @ a
            logits = hidden @ p.T + b
            value = (np.logaddexp(0, logits) - scores * logits)[asked].mean()
            error = np.where(asked, expit(logits) - scores, 0.0) / asked.sum()
            into_a = vectors.T @ (error @ p) + config.decay * a
            into_p = error.T @ hidden + config.decay * p
            cost = value + 0.5 * config.decay * ((a**2).sum() + (p**2).sum())
            return float(cost), np.concatenate([into_a.ravel(), into_p.ravel(), error.sum(axis=0)])

        begin = np.concatenate([start, np.log(means / (1 - means))])
        found = minimize(
            loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": config.iterations}
        )
        return cls(evidence.means, *(part.astype(np.float32) for part in split(found.x)))

    @classmethod
    def load(
        cls, arrays: Mapping[str, NDArray[Any]], evidence: Evidence, config: FactorsConfig
    ) -> Self:
        made = cls(evidence.means, arrays["questions"], arrays["experts"], arrays["biases"])
        if len(made._experts) != len(evidence.experts):
            raise ValueError("the factors are not of these experts")
        return made

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"questions": self._questions, "experts": self._experts, "biases": self._biases}

    def predict(self, vectors: Floats) -> Floats:
        return np.asarray(expit(vectors @ self._questions @ self._experts.T + self._biases))


class FactorsRouter(FittedRouter):
    """A low-rank logistic model of all experts together."""

    Config = FactorsConfig
    predictor = Factors
