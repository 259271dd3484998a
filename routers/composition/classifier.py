"""The first step of a Composition of Experts: classifies a request into a category."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from routers.fitted.neighbours import find_neighbours
from routers.fitted.training_set import Floats, Indices, TrainingSet
from routers.kernel import ridge, smoothed

Kind = Literal["knn", "logistic", "kernel"]

WIDTH = 0.5
NOISE = 0.5
"""Of the kernel classifier: how far a question's influence reaches, and the noise of one label."""


class Classifier(Protocol):
    """Maps vectors [B, dimension] to probabilities [B, C] of C categories."""

    def __call__(self, vectors: Floats) -> Floats: ...

    def arrays(self) -> dict[str, NDArray[Any]]: ...


class Nearest:
    """Votes of the nearest questions, each weighted by its similarity."""

    def __init__(self, questions: Floats, labels: Indices, count: int, neighbours: int) -> None:
        self._questions = questions
        self._votes = np.eye(count)[labels]
        self._neighbours = neighbours

    def __call__(self, vectors: Floats) -> Floats:
        near = find_neighbours(self._questions, vectors, self._neighbours)
        weights = np.clip(near.similarities, 1e-6, None)
        votes = np.einsum("bk,bkc->bc", weights, self._votes[near.rows])
        return np.asarray(votes / votes.sum(axis=1, keepdims=True))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}


class Linear:
    """Multinomial logistic regression."""

    def __init__(self, weights: Floats, biases: Floats) -> None:
        self._weights = weights
        self._biases = biases

    def __call__(self, vectors: Floats) -> Floats:
        return np.asarray(softmax(vectors @ self._weights + self._biases, axis=1))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"weights": self._weights, "biases": self._biases}


class Smooth:
    """Kernel ridge regression on the categories' indicators, clipped to probabilities."""

    def __init__(self, questions: Floats, shares: Floats, alpha: Floats) -> None:
        self._questions = questions
        self._shares = shares
        self._alpha = alpha

    @classmethod
    def fit(cls, questions: Floats, labels: Indices, count: int) -> Self:
        indicators = np.eye(count)[labels]
        shares = indicators.mean(axis=0)
        return cls(questions, shares, ridge(questions, indicators - shares, WIDTH, NOISE))

    def __call__(self, vectors: Floats) -> Floats:
        found = self._shares + smoothed(self._questions, self._alpha, WIDTH, vectors)
        found = np.clip(found, 1e-6, None)
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"indicators": self._alpha}


def labels_of(training_set: TrainingSet, categories: Sequence[str]) -> Indices:
    """[N] the category of each question, by number."""
    number = {category: index for index, category in enumerate(categories)}
    return np.array([number[query.task] for query in training_set.queries])


def fit(
    kind: Kind,
    training_set: TrainingSet,
    categories: Sequence[str],
    neighbours: int,
    strength: float,
) -> Classifier:
    """Learn to predict a question's task."""
    labels = labels_of(training_set, categories)
    if kind == "knn":
        return Nearest(training_set.vectors, labels, len(categories), neighbours)
    if kind == "kernel":
        return Smooth.fit(training_set.vectors, labels, len(categories))
    width = training_set.vectors.shape[1]
    if len(categories) == 1:
        return Linear(np.zeros((width, 1)), np.zeros(1))
    model = LogisticRegression(C=strength, tol=1e-3, max_iter=300).fit(training_set.vectors, labels)
    weights, biases = model.coef_.T, model.intercept_
    if len(categories) == 2:  # scikit-learn keeps one row for two classes.
        weights = np.concatenate([np.zeros_like(weights), weights], axis=1)
        biases = np.concatenate([[0.0], biases])
    return Linear(weights, biases)


def load(
    kind: Kind,
    arrays: Mapping[str, NDArray[Any]],
    training_set: TrainingSet,
    categories: Sequence[str],
    neighbours: int,
) -> Classifier:
    """Restore from `arrays`. Raises KeyError or ValueError where they do not fit."""
    labels = labels_of(training_set, categories)
    if kind == "knn":
        return Nearest(training_set.vectors, labels, len(categories), neighbours)
    if kind == "kernel":
        if arrays["indicators"].shape != (len(labels), len(categories)):
            raise ValueError("the classifier is not of these questions")
        shares = np.bincount(labels, minlength=len(categories)) / len(labels)
        return Smooth(training_set.vectors, shares, arrays["indicators"])
    return Linear(arrays["weights"], arrays["biases"])
