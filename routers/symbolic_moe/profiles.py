"""Model profiles of Symbolic-MoE: how often each expert was right, by skill (section 3.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from routers.fitted.training_set import Floats, Indices, TrainingSet


@dataclass(frozen=True, eq=False)
class Profiles:
    """The profiles of M experts over S skills."""

    skills: tuple[str, ...]
    points: Floats
    """[M, S] +1 for each right answer to a question with the skill, -1 for each wrong one."""
    asked: Floats
    """[M, S] how many answers were counted."""

    @cached_property
    def totals(self) -> Floats:
        """[M] points summed over all skills."""
        return np.asarray(self.points.sum(axis=1))

    def local(self, skills: Indices) -> Floats:
        """[M] points in some skills, which may repeat: S(M_i, q)."""
        return np.asarray(self.points[:, skills].sum(axis=1))

    def accuracy(self, skills: Indices, means: Floats, prior: float) -> Floats:
        """[M] share of right answers in some skills, shrunk to `means` by `prior` answers."""
        asked = self.asked[:, skills].sum(axis=1)
        right = 0.5 * (self.local(skills) + asked)
        return np.asarray((right + prior * means) / (asked + prior))


def build(training_set: TrainingSet, skills: Sequence[Sequence[str]]) -> Profiles:
    """Count over questions with these `skills`; an answer is right from a score of one half."""
    names = sorted({skill for own in skills for skill in own})
    number = {name: index for index, name in enumerate(names)}
    has = np.zeros((len(skills), len(names)))
    for row, own in enumerate(skills):
        has[row, [number[skill] for skill in own]] = 1
    scores = training_set.scores
    signs = np.where(np.isnan(scores), 0.0, np.where(scores >= 0.5, 1.0, -1.0))
    return Profiles(tuple(names), signs.T @ has, (~np.isnan(scores)).astype(float).T @ has)
