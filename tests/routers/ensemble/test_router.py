"""An ensemble is the mean of its members, errs less than they do, and is stored with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from routers.clusters import Clusters
from routers.ensemble.router import Ensemble, EnsembleConfig
from routers.fitted.training_set import TrainingSet
from routers.kernel import Kernel
from routers.outcomes import Query


def config(**keys: object) -> EnsembleConfig:
    return EnsembleConfig.model_validate({"type": "ensemble", "outcomes": "made", **keys})


SMALL = config(clusters=[2, 5], noise=3.0)


def training_set(count: int = 40, seed: int = 7) -> tuple[TrainingSet, np.ndarray]:
    """Three experts whose chances depend on a topic, and smoothly on the vector; and both."""
    effects = np.random.default_rng(1).normal(scale=0.12, size=(12, 3))
    centres = np.random.default_rng(2).normal(size=(12, 8))
    rng = np.random.default_rng(seed)
    topics = rng.integers(0, 12, size=count)
    raw = centres[topics] + rng.normal(scale=0.6, size=(count, 8))
    vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    chances = np.clip(0.5 + effects[topics] + 0.4 * vectors[:, :3], 0, 1)
    scores = (rng.random((count, 3)) < chances).astype(float)
    queries = tuple(Query(f"q{n}", "any", f"text {n}") for n in range(count))
    return TrainingSet(queries, ("a", "b", "c"), vectors, scores, "made"), chances


@settings(max_examples=6, deadline=None)
@given(st.floats(0, 1), st.integers(0, 100), st.integers(0, 50))
def test_a_prediction_is_the_mean_of_its_members(share: float, seed: int, first: int) -> None:
    known, _ = training_set(seed=seed)
    keys = config(clusters=[2, 5], noise=3.0, kernel_share=share, seed=first)
    clusters = [Clusters.fit(known, keys.of_clusters(n)).predict(known.vectors) for n in (0, 1)]
    kernel = Kernel.fit(known, keys.kernel).predict(known.vectors)
    expected = share * kernel + (1 - share) / 2 * (clusters[0] + clusters[1])
    assert Ensemble.fit(known, keys).predict(known.vectors) == pytest.approx(expected, abs=1e-6)


def test_its_differences_between_experts_are_nearer_to_the_truth_than_its_members() -> None:
    seen, _ = training_set(600, seed=17)
    unseen, chances = training_set(400, seed=18)
    keys = config(clusters=[8, 16, 32])

    def error(predicted: np.ndarray) -> float:
        wrong = predicted - chances
        return float(((wrong - wrong.mean(axis=1, keepdims=True)) ** 2).mean())

    together = error(Ensemble.fit(seen, keys).predict(unseen.vectors))
    assert together < error(Kernel.fit(seen, keys.kernel).predict(unseen.vectors))
    for number in range(3):
        alone = Clusters.fit(seen, keys.of_clusters(number))
        assert together < error(alone.predict(unseen.vectors))


def test_every_k_means_has_its_own_size_and_start() -> None:
    keys = config(clusters=[4, 4, 9], seed=3)
    found = [keys.of_clusters(number) for number in range(3)]
    assert [(one.clusters, one.seed) for one in found] == [(4, 3), (4, 4), (9, 5)]


def test_what_is_stored_predicts_the_same() -> None:
    known, _ = training_set()
    known.scores[:20, 1] = np.nan
    fitted = Ensemble.fit(known, SMALL)
    again = Ensemble.load(fitted.arrays(), known, SMALL)
    assert np.array_equal(again.predict(known.vectors), fitted.predict(known.vectors))
    assert np.isfinite(again.predict(known.vectors)).all()


@pytest.mark.parametrize("sizes", [[2], [2, 5, 9]])
def test_arrays_of_another_number_of_k_means_are_refused(sizes: list[int]) -> None:
    known, _ = training_set()
    stored = Ensemble.fit(known, SMALL).arrays()
    with pytest.raises((KeyError, ValueError)):
        Ensemble.load(stored, known, config(clusters=sizes))


@pytest.mark.parametrize("sizes", [[], [0], [4097], 64])
def test_sizes_that_make_no_clusters_are_refused(sizes: object) -> None:
    with pytest.raises(ValidationError):
        config(clusters=sizes)
