"""Telling questions: spread out, and where the known experts disagree."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from routers.fitted.probing import most_informative
from routers.fitted.training_set import TrainingSet
from routers.outcomes import Query


def training_set(vectors: np.ndarray, scores: np.ndarray) -> TrainingSet:  # type: ignore[type-arg]
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = tuple(Query(str(n), "t", str(n)) for n in range(len(scores)))
    names = tuple(f"e{n}" for n in range(scores.shape[1]))
    return TrainingSet(queries, names, vectors.astype(np.float32), scores, "encoder")


def test_every_corner_is_asked_about_first() -> None:
    corners = np.repeat(np.eye(3), 10, axis=0) + 0.001 * np.arange(30)[:, None]
    scores = np.tile([1.0, 0.0], (30, 1))
    found = most_informative(training_set(corners, scores), 3)
    assert sorted(number // 10 for number in found) == [0, 1, 2]


def test_where_all_agree_little_is_asked() -> None:
    angles = np.linspace(0, np.pi / 2, 40)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    scores = np.tile([1.0, 1.0], (40, 1))
    scores[20:] = [1.0, 0.0]
    found = most_informative(training_set(circle, scores), 8)
    assert sum(number >= 20 for number in found) >= 5


@given(st.integers(1, 12), st.integers(1, 20), st.integers(0, 5))
def test_they_are_different_questions(count: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = most_informative(training_set(rng.normal(size=(size, 4)), rng.random((size, 3))), count)
    assert len(set(found.tolist())) == len(found) == min(count, size)
