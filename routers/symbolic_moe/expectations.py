"""What Symbolic-MoE expects of each expert: its share of right answers in a question's skills."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from random import Random
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routers.fitted.neighbours import Neighbours, closeness, find_neighbours, near_means
from routers.fitted.predictor import Predictor
from routers.fitted.training_set import Floats, Indices, TrainingSet, blocks
from routers.symbolic_moe.profiles import Profiles, agreement, build
from routers.symbolic_moe.recruiting import best, chances, draw, rare, worth_asking
from routers.symbolic_moe.skills import agreed
from routers.symbolic_moe.symbolic_config import SymbolicConfig

TEMPERATURE = 0.1
"""How fast the weight of near questions fades, as in the `knn` router."""


class Symbolic(Predictor):
    """Predicts an expert's score as its share of right answers in a question's skills.

    With `neighbours`, that share is what its scores on the most similar questions are shrunk to.
    """

    def __init__(
        self, training_set: TrainingSet, profiles: Profiles, config: SymbolicConfig
    ) -> None:
        self.means = training_set.means
        self.profiles = profiles
        self._training_set = training_set
        self._config = config
        self._labels = _labels(training_set)
        self._number = {skill: index for index, skill in enumerate(profiles.skills)}

    @classmethod
    def fit(cls, training_set: TrainingSet, config: SymbolicConfig) -> Self:
        return cls(training_set, build(training_set, _labels(training_set)), config)

    @classmethod
    def load(
        cls, arrays: Mapping[str, NDArray[Any]], training_set: TrainingSet, config: SymbolicConfig
    ) -> Self:
        return cls.fit(training_set, config)  # Counting is as fast as reading.

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def predict(self, vectors: Floats) -> Floats:
        near = self.nearest(vectors)
        skills = [self.skills(near.of(row)) for row in range(len(vectors))]
        return self.expected(skills, vectors)

    def expected(self, skills: Sequence[Indices], vectors: Floats) -> Floats:
        """[B, M] predicted scores of questions with these skills and vectors [B, dimension]."""
        found = self.by_skills(skills)
        if not self._config.neighbours:
            return found
        return self._beside(
            found, find_neighbours(self._questions, vectors, self._config.neighbours)
        )

    def _beside(self, by_skills: Floats, near: Neighbours) -> Floats:
        """[B, M] means of the scores of near questions, shrunk to those by skills [B, M]."""
        weights = closeness(near.similarities, TEMPERATURE)
        scores = self._training_set.scores
        parts = zip(blocks(near.rows), blocks(weights), blocks(by_skills), strict=True)
        weight = self._config.skill_weight
        found = [near_means(scores[r], w, prior, weight) for r, w, prior in parts]
        return np.concatenate(found)

    def by_skills(self, skills: Sequence[Indices]) -> Floats:
        """[B, M] predicted scores of questions with these skills."""
        prior = self._config.prior_weight
        found = np.empty((len(skills), len(self.means)))
        for row, own in enumerate(skills):
            found[row] = self.profiles.accuracy(own, self.means, prior)
        return found

    def nearest(self, vectors: Floats) -> Neighbours:
        """The labelled questions that decide the skills of the vectors [B, dimension]."""
        return find_neighbours(self._training_set.vectors, vectors, self._config.samples)

    def skills(self, near: Neighbours) -> Indices:
        """Numbers of the skills of a question with these neighbours, [k].

        Skills that two of them share; where they share none, those of the nearest one.
        """
        floor = self._config.floor
        kept = near.rows if floor is None else near.rows[near.similarities >= floor]
        labels = [self._labels[row] for row in kept]
        found = agreed(labels) or (labels[0] if labels else ())
        return np.array([self._number[skill] for skill in found], dtype=np.intp)

    def shares(self, skills: Indices) -> tuple[Floats, Floats]:
        """[M] shares of right answers in these skills, and [M] their standard errors."""
        prior = self._config.prior_weight
        return (
            self.profiles.accuracy(skills, self.means, prior),
            self.profiles.error(skills, self.means, prior),
        )

    def recruit(
        self, expected: Floats, skills: Indices, among: Indices, random: Random
    ) -> list[int]:
        """The panel for a question, out of some experts, by number.

        By what is expected of each, [M], in mode `best`; drawn by its skills in the others.
        """
        config = self._config
        if config.mode == "best":
            quality = np.full(len(self.means), -np.inf)
            quality[among] = expected[among]
            quality = worth_asking(quality, config.least_share)
            return best(quality, config.experts, self._agreement, config.agreement_weight)
        found = np.zeros(len(self.means))
        found[among] = self._chances(skills)[among]
        return draw(found, config.experts, config.distinct, random)

    def _chances(self, skills: Indices) -> Floats:
        """[M] probabilities of being drawn; uniform where there is no skill."""
        assert self._config.mode != "best"
        if not len(skills):
            return np.full(len(self.means), 1 / len(self.means))
        return chances(self.profiles.points(skills), self.means, self._config.mode)

    def frequent(self, among: Indices) -> Indices:
        """Those of some experts that are in enough panels for the questions of the profile run."""
        skills = [
            np.array([self._number[skill] for skill in labels], dtype=np.intp)
            for labels in self._labels
        ]
        rows = zip(self._left_out(skills), skills, self._training_set.queries, strict=True)
        panels = [
            self.recruit(expected, own, among, draws(self._config.seed, query.id))
            for expected, own, query in rows
        ]
        out = rare(panels, len(self.means), self._config.trim_below)
        kept = np.array([expert for expert in among if expert not in out], dtype=np.intp)
        return kept if len(kept) else among

    def _left_out(self, skills: Sequence[Indices]) -> Floats:
        """[N, M] what is expected of the probe questions, which are not their own neighbours."""
        found, count = self.by_skills(skills), len(skills)
        nearest = min(self._config.neighbours, count - 1)
        if not nearest:
            return found
        near = find_neighbours(self._questions, self._questions, nearest + 1)
        itself = near.rows == np.arange(count)[:, None]
        # Where many texts are equal, a question may not be among its own nearest.
        itself[~itself.any(axis=1), -1] = True
        others = (part[~itself].reshape(count, nearest) for part in near)
        return self._beside(found, Neighbours(*others))

    @property
    def _questions(self) -> Floats:
        return self._training_set.vectors

    @cached_property
    def _agreement(self) -> Floats:
        return agreement(self._training_set.scores)

    def task(self, near: Neighbours) -> str:
        """The task of most of the nearest questions [k]; ties go to the nearest one's."""
        tasks: Counter[str] = Counter(self._training_set.queries[row].task for row in near.rows)
        ((task, _),) = tasks.most_common(1)
        return task


def draws(seed: int, question: str) -> Random:
    """The draws for a question: a string seeds through SHA-512, equal in every process."""
    return Random(f"{seed}:{question}")


def _labels(training_set: TrainingSet) -> list[tuple[str, ...]]:
    """The labels of each question: its keywords, or its task where it has none."""
    return [query.skills or (query.task,) for query in training_set.queries]
