"""Model profiles of Symbolic-MoE: how often each expert was right, by skill (section 3.1).

The paper sums points, +1 for a right answer and -1 for a wrong one. Sums grow with the table, and
with them the certainty of its softmax: profiles of some hundred questions recruit one expert three
times. So points are shares here, which say the same whatever the size of the table, and come with
their uncertainty.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routers.fitted.training_set import Floats, Indices, TrainingSet

RIGHT_FROM = 0.5
"""The score from which an answer is right."""


@dataclass(frozen=True, eq=False)
class Profiles:
    """The profiles of M experts over S skills."""

    skills: tuple[str, ...]
    right: Floats
    """[M, S] right answers to questions with the skill."""
    asked: Floats
    """[M, S] how many answers were counted."""

    def points(self, skills: Indices) -> Floats:
        """[M] points per answer in some skills, which may repeat: S(M_i, q), in -1..1.

        0 for an expert that was never asked about any of them.
        """
        asked = self.asked[:, skills].sum(axis=1)
        right = self.right[:, skills].sum(axis=1)
        return np.asarray((2 * right - asked) / np.maximum(asked, 1))

    def accuracy(self, skills: Indices, means: Floats, prior: float) -> Floats:
        """[M] share of right answers in some skills, shrunk to `means` by `prior` answers."""
        asked = self.asked[:, skills].sum(axis=1)
        right = self.right[:, skills].sum(axis=1)
        return np.asarray((right + prior * means) / (asked + prior))

    def error(self, skills: Indices, means: Floats, prior: float) -> Floats:
        """[M] standard errors of `accuracy`, of a Beta distribution with that mean."""
        asked = self.asked[:, skills].sum(axis=1)
        share = self.accuracy(skills, means, prior)
        return np.asarray(np.sqrt(share * (1 - share) / (asked + prior + 1)))


def build(training_set: TrainingSet, skills: Sequence[Sequence[str]]) -> Profiles:
    """Count over questions with these `skills`."""
    names = sorted({skill for own in skills for skill in own})
    number = {name: index for index, name in enumerate(names)}
    has = np.zeros((len(skills), len(names)))
    for row, own in enumerate(skills):
        has[row, [number[skill] for skill in own]] = 1
    scores = training_set.scores
    asked, right = ~np.isnan(scores), scores >= RIGHT_FROM
    return Profiles(tuple(names), right.astype(float).T @ has, asked.astype(float).T @ has)


def agreement(scores: Floats) -> Floats:
    """[M, M] how much the errors of experts coincide, from their scores [N, M] with NaN for gaps.

    The correlation of being wrong, over the questions that both were asked; 0 where it is unknown,
    as for an expert that is always right.
    """
    asked = ~np.isnan(scores)
    wrong = np.where(asked, scores < RIGHT_FROM, 0).astype(float)
    both = asked.astype(float).T @ asked
    each = wrong.T @ asked
    count = np.maximum(both, 1)
    mean, other = each / count, each.T / count
    covariance = wrong.T @ wrong / count - mean * other
    spread = np.sqrt(mean * (1 - mean) * other * (1 - other))
    return np.asarray(np.divide(covariance, spread, out=np.zeros_like(spread), where=spread > 1e-9))
