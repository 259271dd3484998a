"""The Symbolic-MoE router (arXiv 2503.05641): a panel of experts by the skills of a question."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
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
from routers.symbolic_moe.profiles import Profiles, agreement, build
from routers.symbolic_moe.recruiting import best, chances, draw, rare, worth_asking
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

    def shares(self, skills: Indices) -> tuple[Floats, Floats]:
        """[M] shares of right answers in these skills, and [M] their standard errors."""
        prior = self._config.prior_weight
        return (
            self.profiles.accuracy(skills, self.means, prior),
            self.profiles.error(skills, self.means, prior),
        )

    def recruit(self, skills: Indices, among: Indices, random: Random) -> list[int]:
        """The panel for a question with these skills, out of some experts, by number."""
        config = self._config
        if config.mode == "best":
            quality = np.full(len(self.means), -np.inf)
            shares = self.profiles.accuracy(skills, self.means, config.prior_weight)
            quality[among] = shares[among]
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
        panels = [
            self.recruit(
                np.array([self._number[skill] for skill in labels], dtype=np.intp),
                among,
                _draws(self._config.seed, query.id),
            )
            for labels, query in zip(self._labels, self._training_set.queries, strict=True)
        ]
        out = rare(panels, len(self.means), self._config.trim_below)
        kept = np.array([expert for expert in among if expert not in out], dtype=np.intp)
        return kept if len(kept) else among

    @cached_property
    def _agreement(self) -> Floats:
        return agreement(self._training_set.scores)

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
        # By the profile run alone: a request's panel must not depend on who else asks.
        self._recruited = self._symbolic.frequent(self.here)
        # Keywords are only matched where requests are tagged.
        self._skill_vectors = self._encoder.encode(profiles.skills) if self.tagging else None

    @property
    def _symbolic(self) -> Symbolic:
        predictor = self.fitted.predictor
        assert isinstance(predictor, Symbolic)
        return predictor

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        """One decision per request."""
        found = self.read(requests)
        vectors = found.vectors
        symbolic = self._symbolic
        nearest = symbolic.nearest(vectors)
        near = [nearest.of(row) for row in range(len(requests))]
        skills = [self._skills(*one) for one in zip(requests, near, strict=True)]
        panels = [self._recruit(*one) for one in zip(requests, skills, strict=True)]
        decided = self._decide(vectors, Prediction(symbolic.by_skills(skills)))
        decisions = told(found, decided)
        return [self._panelled(*one) for one in zip(decisions, near, skills, panels, strict=True)]

    def _panelled(
        self, decision: Decision, near: Neighbours, skills: Indices, panel: Sequence[int]
    ) -> Decision:
        symbolic, names = self._symbolic, self.fitted.training_set.experts
        named = [symbolic.profiles.skills[index] for index in skills]
        shares, errors = symbolic.shares(skills)
        recruits = [
            {
                "expert": names[one],
                "share": round(float(shares[one]), 4),
                "error": round(float(errors[one]), 4),
            }
            for one in panel
        ]
        here = [names[expert] for expert in self.here]
        return replace(
            decision,
            panel=tuple(names[expert] for expert in panel),
            lead=self._leads.best(symbolic.task(near), here),
            evidence={**decision.evidence, "skills": named, "recruits": recruits},
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
        draws = _draws(self._config.seed, request.id)
        return self._symbolic.recruit(skills, self._recruited, draws)


def _draws(seed: int, question: str) -> Random:
    """A string seeds through SHA-512, equal in every process."""
    return Random(f"{seed}:{question}")


def _labels(training_set: TrainingSet) -> list[tuple[str, ...]]:
    """The labels of each question: its keywords, or its task where it has none."""
    return [query.skills or (query.task,) for query in training_set.queries]
