"""Kernel ridge regression: a smooth guess of every expert's score, from all questions at once.

The mean of a Gaussian process over sentence vectors. Where nearest neighbours look at sixteen
questions, it weighs all, and learns which differences of the vectors matter nothing.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.linalg import cho_factor, cho_solve

from routers.fitted.predictor import Predictor
from routers.fitted.router import FittedConfig, FittedRouter
from routers.fitted.training_set import Evidence, Floats, blocks


class KernelConfig(FittedConfig):
    """The keys of a kernel router."""

    type: Literal["kernel"]
    width: float = Field(
        0.3,
        gt=0,
        description="Width of the kernel exp((cosine - 1) / width): how far similarity reaches.",
    )
    noise: float = Field(
        10.0,
        gt=0,
        description="Noise of one answer: larger values draw predictions to the overall means.",
    )


class Kernel(Predictor):
    """alpha = (K + noise I)^-1 (scores - means); a score is its mean + k(x)^T alpha.

    Where an expert was not asked, its mean stands in the place of its score.
    """

    def __init__(
        self, vectors: Floats, means: Floats, alpha: NDArray[np.float32], width: float
    ) -> None:
        self._vectors = vectors
        self.means = means
        self._alpha = alpha
        self._width = width

    @classmethod
    def fit(cls, evidence: Evidence, config: KernelConfig) -> Self:
        vectors, means = evidence.vectors, evidence.means
        alpha = ridge(vectors, evidence.filled - means, config.width, config.noise)
        return cls(vectors, means, alpha, config.width)

    @classmethod
    def load(
        cls, arrays: Mapping[str, NDArray[Any]], evidence: Evidence, config: KernelConfig
    ) -> Self:
        if arrays["alpha"].shape != evidence.scores.shape:
            raise ValueError("alpha is not of these questions")
        return cls(evidence.vectors, evidence.means, arrays["alpha"], float(arrays["width"][0]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"alpha": self._alpha, "width": np.array([self._width])}

    def predict(self, vectors: Floats) -> Floats:
        return self.means + smoothed(self._vectors, self._alpha, self._width, vectors)


def ridge(questions: Floats, targets: Floats, width: float, noise: float) -> NDArray[np.float32]:
    """Alpha [N, T] = (K + noise I)^-1 targets, for questions [N, dimension], targets [N, T]."""
    kernel = _kernel(questions, questions, width).astype(np.float64)
    kernel[np.diag_indices_from(kernel)] += noise
    factor = cho_factor(kernel, overwrite_a=True, check_finite=False)
    return np.asarray(cho_solve(factor, targets, check_finite=False), np.float32)


def smoothed(questions: Floats, alpha: Floats, width: float, vectors: Floats) -> Floats:
    """k(vectors)^T alpha, [B, T]."""
    return np.concatenate([_kernel(block, questions, width) @ alpha for block in blocks(vectors)])


def _kernel(left: Floats, right: Floats, width: float) -> Floats:
    """[L, R] exp((cosine - 1) / width)."""
    return np.exp((left @ right.T - 1.0) / width)


class KernelRouter(FittedRouter):
    """Kernel ridge regression on the questions' vectors, one output per expert."""

    Config = KernelConfig
    predictor = Kernel
