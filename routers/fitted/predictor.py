"""The protocol of what a fitted router learns: every expert's score from a question's vector."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from numpy.typing import NDArray

from routers.fitted.neighbours import Neighbours
from routers.fitted.training_set import Floats, TrainingSet


class Prediction(NamedTuple):
    """Predictions for B requests, and what explains them."""

    scores: Floats
    """[B, M], about 0..1."""
    entropy: Floats | None = None
    """[B] entropy of their categories, in nats; None without categories."""
    neighbours: Neighbours | None = None
    """[B, k] the questions it is based on; None where it is not based on single questions."""
    weights: Floats | None = None
    """[B, k] how much each of the neighbours counts, where the scores are made of them."""
    details: Sequence[Mapping[str, Any]] | None = None
    """For each request, further facts for the decision's evidence, as plain JSON."""


class Predictor(ABC):
    """Predicts the scores of M experts from vectors; made by `fit` or read back by `load`."""

    means: Floats
    """[M] each expert's overall mean score, towards which predictions are shrunk."""

    @classmethod
    @abstractmethod
    def fit(cls, training_set: TrainingSet, config: Any) -> Self:
        """Learn from questions and scores; some scores may be NaN."""

    @classmethod
    @abstractmethod
    def load(
        cls, arrays: Mapping[str, NDArray[Any]], training_set: TrainingSet, config: Any
    ) -> Self:
        """Restore from `arrays`. Raises KeyError or ValueError for arrays that do not fit."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that `load` needs beside the training set."""

    @abstractmethod
    def predict(self, vectors: Floats) -> Floats:
        """Scores [B, M], about 0..1, of vectors [B, dimension]."""

    def predict_detailed(self, vectors: Floats) -> Prediction:
        """The same scores, with what explains them."""
        return Prediction(self.predict(vectors))
