"""How far a question is from those that some expert can answer: a Mahalanobis distance."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from routers.fitted.cross_validation import folds
from routers.fitted.training_set import Floats, Indices, TrainingSet, blocks

FLOOR = 1e-6
"""Added to each variance, since questions that are all alike have none."""
SHRINKAGE = 0.3
"""Share of an isotropic variance. Ledoit and Wolf, who estimate the covariance itself, would take
less; with this much, new phrasings of known questions raise fewer alarms."""


@dataclass(frozen=True, eq=False)
class CoverageDistance:
    """Mahalanobis distance to the nearest category, with one covariance for all of them.

    After Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples"
    (arXiv 1807.03888), section 2.1; the covariance is shrunk. It detects foreign texts better than
    distances to neighbours do, because it accounts for the directions in which questions of one
    category differ anyway (`docs/log.md`).
    """

    centers: Floats
    """[C, dimension] means of the categories, whitened."""
    whitening: Floats
    """[dimension, dimension]: of vectors times this, the Euclidean distance is the wanted one."""

    @classmethod
    def of(cls, training_set: TrainingSet, rows: Indices | None = None) -> Self:
        """Estimate it from the questions that some expert answers right; if none is, from all.

        `rows` restricts it to some of the questions.
        """
        rows = np.arange(len(training_set.queries)) if rows is None else rows
        answered = rows[np.nanmax(training_set.scores[rows], axis=1) >= 0.5]
        rows = answered if len(answered) else rows
        vectors = training_set.vectors[rows].astype(np.float64)
        tasks = [training_set.queries[row].task for row in rows]
        category = np.unique(tasks, return_inverse=True)[1]
        counts = np.bincount(category)
        sums = np.zeros((len(counts), vectors.shape[1]))
        np.add.at(sums, category, vectors)
        centers = sums / counts[:, None]
        apart = vectors - centers[category]
        covariance = (1 - SHRINKAGE) * (apart.T @ apart) / len(apart)
        variance = SHRINKAGE * float((apart**2).mean()) + FLOOR
        covariance[np.diag_indices_from(covariance)] += variance
        whitening = np.linalg.cholesky(np.linalg.inv(covariance))
        return cls((centers @ whitening).astype(np.float32), whitening.astype(np.float32))

    def distance(self, vectors: Floats) -> Floats:
        """[B] standard deviations from the nearest category, of vectors [B, dimension]."""
        return np.concatenate([self._distance(block) for block in blocks(vectors)])

    def _distance(self, vectors: Floats) -> Floats:
        white = vectors @ self.whitening
        apart: Floats = np.linalg.norm(white[:, None] - self.centers[None], axis=-1)
        return np.asarray(apart.min(axis=1))


def held_out_distances(training_set: TrainingSet) -> Floats:
    """[N] the distance of each question to those of the other folds; to all, without folds."""
    distances = np.full(len(training_set.queries), np.nan)
    for seen, unseen in folds(training_set):
        distances[unseen] = CoverageDistance.of(training_set, seen).distance(
            training_set.vectors[unseen]
        )
    if np.isnan(distances).any():
        return CoverageDistance.of(training_set).distance(training_set.vectors)
    return distances
