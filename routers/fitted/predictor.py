"""What a fitted router learns: to predict every expert's score from a question's vector."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from numpy.typing import NDArray

from routers.fitted.neighbours import Neighbours
from routers.fitted.training_set import Floats, TrainingSet


class Prediction(NamedTuple):
    """What a predictor thinks of B requests."""

    scores: Floats
    """[B, M], about 0..1."""
    entropy: Floats | None = None
    """[B] how unsure it is of their categories, in nats; None where it knows none."""
    neighbours: Neighbours | None = None
    """[B, k] the questions that it went by, where it went by some."""
    details: Sequence[Mapping[str, Any]] | None = None
    """B times what else it can say, as plain JSON."""


class Predictor(ABC):
    """Predicts the scores of M experts from vectors; made by `fit` or read back by `load`."""

    means: Floats
    """[M] what an expert scores on any question, and to what predictions are drawn."""

    @classmethod
    @abstractmethod
    def fit(cls, training_set: TrainingSet, config: Any) -> Self:
        """Learn from questions and scores. Some scores may be NaN."""

    @classmethod
    @abstractmethod
    def load(
        cls, arrays: Mapping[str, NDArray[Any]], training_set: TrainingSet, config: Any
    ) -> Self:
        """What `arrays` stored; raises KeyError or ValueError where they do not fit."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `load` needs beside the training set."""

    @abstractmethod
    def predict(self, vectors: Floats) -> Floats:
        """Scores [B, M], about 0..1, of vectors [B, dimension]."""

    def predict_detailed(self, vectors: Floats) -> Prediction:
        """The same, with what else it has seen on the way."""
        return Prediction(self.predict(vectors))
