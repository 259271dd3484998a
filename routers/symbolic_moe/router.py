"""The Symbolic-MoE router (arXiv 2503.05641): a panel of experts by the skills of a question."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from experts.types import Request
from routers.base import Decision, Encoder
from routers.fitted.neighbours import Neighbours, find_neighbours
from routers.fitted.predictor import Prediction, Predictor
from routers.fitted.router import FittedRouter
from routers.fitted.training_set import Floats, Indices, TrainingSet
from routers.reading import told
from routers.symbolic_moe.leads import Leads
from routers.symbolic_moe.profiles import Profiles, build
from routers.symbolic_moe.recruiting import chances, draw, trim
from routers.symbolic_moe.skills import agreed
from routers.symbolic_moe.symbolic_config import SymbolicConfig


class Symbolic(Predictor):
    """Predicts an expert's score as its share of right answers in a question's skills."""

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
        return self.by_skills([self.skills(near.of(row)) for row in range(len(vectors))])

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

    def chances(self, skills: Indices) -> Floats:
        """[M] probabilities of being recruited; uniform where there is no skill."""
        if not len(skills):
            return np.full(len(self.means), 1 / len(self.means))
        return chances(self.profiles.local(skills), self.profiles.totals, self._config.mode)

    def task(self, near: Neighbours) -> str:
        """The task of most of the nearest questions [k]; ties go to the nearest one's."""
        tasks: Counter[str] = Counter(self._training_set.queries[row].task for row in near.rows)
        ((task, _),) = tasks.most_common(1)
        return task


class SymbolicRouter(FittedRouter):
    """Routes by skills: a panel is drawn by each expert's points in the skills of the question.

    `Decision.panel` holds the recruited experts, `Decision.lead` the one that merges their answers
    best; where one expert is enough, the first of the scores answers.
    """

    Config = SymbolicConfig
    predictor = Symbolic

    def __init__(
        self, name: str, config: Any, experts: Sequence[str], encoder: Callable[[], Encoder]
    ) -> None:
        super().__init__(name, config, experts, encoder)
        self.tagging = config.tagging() if config.tag_requests else None
        self._leads = Leads.read(config.leads) if config.leads else Leads()
        profiles = self._symbolic.profiles
        # Keywords are only matched where requests are tagged.
        self._skill_vectors = self._encoder.encode(profiles.skills) if self.tagging else None

    @property
    def _symbolic(self) -> Symbolic:
        predictor = self.fitted.predictor
        assert isinstance(predictor, Symbolic)
        return predictor

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        """One decision per request. A batch of `trim_from` or more is trimmed together."""
        found = self.read(requests)
        vectors = found.vectors
        symbolic = self._symbolic
        nearest = symbolic.nearest(vectors)
        near = [nearest.of(row) for row in range(len(requests))]
        skills = [self._skills(*one) for one in zip(requests, near, strict=True)]
        panels = [self._recruit(*one) for one in zip(requests, skills, strict=True)]
        if len(requests) >= self._config.trim_from:
            panels = trim(panels, self._config.trim_below, Random(f"trim {self._config.seed}"))
        decided = self._decide(vectors, Prediction(symbolic.by_skills(skills)))
        decisions = told(found, decided)
        return [self._panelled(*one) for one in zip(decisions, near, skills, panels, strict=True)]

    def _panelled(
        self, decision: Decision, near: Neighbours, skills: Indices, panel: Sequence[int]
    ) -> Decision:
        symbolic, names = self._symbolic, self.fitted.training_set.experts
        named = [symbolic.profiles.skills[index] for index in skills]
        here = [names[expert] for expert in self.here]
        return replace(
            decision,
            panel=tuple(names[expert] for expert in panel),
            lead=self._leads.best(symbolic.task(near), here),
            evidence={**decision.evidence, "skills": named},
        )

    def _skills(self, request: Request, near: Neighbours) -> Indices:
        """The skills of a request: by the tagger's keywords, or by its nearest questions."""
        if not request.keywords or self._skill_vectors is None:
            return self._symbolic.skills(near)
        similar = self._encoder.encode(request.keywords) @ self._skill_vectors.T
        nearest = similar.argmax(axis=1)
        floor = self._config.floor
        close = similar.max(axis=1) >= (-np.inf if floor is None else floor)
        return np.asarray(nearest[close], dtype=np.intp)

    def _recruit(self, request: Request, skills: Indices) -> list[int]:
        config = self._config
        # A string seeds through SHA-512, equal in every process.
        random = Random(f"{config.seed}:{request.id}")
        found = self._symbolic.chances(skills)
        here = np.zeros_like(found)
        here[self.here] = found[self.here]
        return draw(here, config.experts, config.replace, random)


def _labels(training_set: TrainingSet) -> list[tuple[str, ...]]:
    """The labels of each question: its keywords, or its task where it has none."""
    return [query.skills or (query.task,) for query in training_set.queries]
