"""Symbolic-MoE (arXiv 2503.05641): experts by the skills of a question."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from experts.prompts import read_template
from experts.types import Request
from routers.base import Decision, Encoder, Tagging
from routers.fitted.neighbours import Near, find
from routers.fitted.predictor import Look, Predictor
from routers.fitted.router import FittedConfig, FittedRouter
from routers.fitted.training_set import Evidence, Floats, Indices
from routers.symbolic_moe.leads import Leads
from routers.symbolic_moe.profiles import Profiles, build
from routers.symbolic_moe.recruiting import Mode, chances, draw, trim
from routers.symbolic_moe.skills import agreed

PROMPT = Path(__file__).parent / "tagger.txt"


class SymbolicConfig(FittedConfig):
    """The keys of a Symbolic-MoE router."""

    type: Literal["symbolic_moe"]
    tagger: str | None = Field(
        None,
        description="The expert that `coterie profile` asks for the skills of the probe"
        " questions; null: a question's task is its skill.",
    )
    tagger_prompt: Path | None = Field(
        None,
        description="A text file with the field {question}, to ask for skills; null: the built-"
        " in prompt.",
    )
    temperature: float = Field(0.7, ge=0, description="Sampling temperature of the tagger.")
    max_tokens: int = Field(64, ge=1, description="Most tokens of each of the tagger's samples.")
    tag_requests: bool = Field(
        False,
        description="Ask the tagger about every request, too; otherwise a request has the"
        " skills of the nearest labelled questions, which costs nothing.",
    )
    samples: int = Field(
        5,
        ge=2,
        le=64,
        description="Number of the tagger's samples, or of the nearest labelled questions; a"
        " skill counts when two of them name it.",
    )
    floor: float | None = Field(
        None,
        ge=-1,
        le=1,
        description="Cosine below which a labelled question, or a skill, is not taken for"
        " similar; null: no bound.",
    )
    leads: Path | None = Field(
        None,
        description="The file in which `coterie profile` has written which expert puts answers"
        " together best, by task.",
    )
    mode: Mode = Field(
        "paper", description="How experts are drawn: as the paper says, or as its code does."
    )
    experts: int = Field(3, ge=1, le=64, description="How many experts are recruited.")
    replace: bool = Field(True, description="Whether one expert may be recruited more than once.")
    trim_below: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="An expert that takes part in a smaller share of a batch is replaced by"
        " another one.",
    )
    trim_from: int = Field(32, ge=1, description="Batches of fewer requests are not trimmed.")
    prior_weight: float = Field(
        1.0,
        gt=0,
        description="How many answers at its overall mean each expert is credited with in every"
        " skill.",
    )
    seed: int = Field(
        0,
        description="Seed of the draws: another seed recruits other experts for the same requests.",
    )

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """The tagger must be in the pool."""
        found = super().problems(experts)
        if self.tagger is not None and self.tagger not in experts:
            known = ", ".join(experts)
            return (*found, f"tagger: no expert is called `{self.tagger}` (known: {known}).")
        if self.tag_requests and self.tagger is None:
            return (*found, "tag_requests: needs the key `tagger`.")
        return found

    def tagging(self) -> Tagging | None:
        """How the tagger is asked, if there is one. Raises ConfigError for a bad prompt."""
        if self.tagger is None:
            return None
        prompt = read_template(self.tagger_prompt or PROMPT, ["question"])
        return Tagging(self.tagger, prompt, self.samples, self.temperature, self.max_tokens)


class Symbolic(Predictor):
    """The share of right answers in a question's skills."""

    def __init__(self, evidence: Evidence, profiles: Profiles, config: SymbolicConfig) -> None:
        self.means = evidence.means
        self.profiles = profiles
        self._evidence = evidence
        self._config = config
        self._labels = _labels(evidence)
        self._number = {skill: index for index, skill in enumerate(profiles.skills)}

    @classmethod
    def fit(cls, evidence: Evidence, config: SymbolicConfig) -> Self:
        return cls(evidence, build(evidence, _labels(evidence)), config)

    @classmethod
    def load(
        cls, arrays: Mapping[str, NDArray[Any]], evidence: Evidence, config: SymbolicConfig
    ) -> Self:
        return cls.fit(evidence, config)  # Counting is as fast as reading.

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

    def nearest(self, vectors: Floats) -> Near:
        """The labelled questions that tell the skills of the vectors [B, dimension]."""
        return find(self._evidence.vectors, vectors, self._config.samples)

    def skills(self, near: Near) -> Indices:
        """Numbers of the skills of a question with these neighbours, [k].

        What two of them share; where they share nothing, the nearest one's.
        """
        floor = self._config.floor
        kept = near.rows if floor is None else near.rows[near.similarities >= floor]
        labels = [self._labels[row] for row in kept]
        found = agreed(labels) or (labels[0] if labels else ())
        return np.array([self._number[skill] for skill in found], dtype=np.intp)

    def chances(self, skills: Indices) -> Floats:
        """[M] probabilities of being recruited; equal ones where there is no skill."""
        if not len(skills):
            return np.full(len(self.means), 1 / len(self.means))
        return chances(self.profiles.local(skills), self.profiles.totals, self._config.mode)

    def task(self, near: Near) -> str:
        """Of most of the nearest questions, [k]; of the nearest among equals."""
        tasks: Counter[str] = Counter(self._evidence.queries[row].task for row in near.rows)
        ((task, _),) = tasks.most_common(1)
        return task


class SymbolicRouter(FittedRouter):
    """Skills of a question, points for each expert, and a draw of a panel.

    `Decision.panel` holds the recruits, `Decision.lead` who puts their answers together best; the
    first of the scores answers where one is enough.
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
        vectors = self._encoder.encode([request.query for request in requests])
        symbolic = self._symbolic
        nearest = symbolic.nearest(vectors)
        near = [nearest.of(row) for row in range(len(requests))]
        skills = [self._skills(*one) for one in zip(requests, near, strict=True)]
        panels = [self._recruit(*one) for one in zip(requests, skills, strict=True)]
        if len(requests) >= self._config.trim_from:
            panels = trim(panels, self._config.trim_below, Random(f"trim {self._config.seed}"))
        decisions = self._decide(vectors, Look(symbolic.by_skills(skills)))
        return [self._panelled(*one) for one in zip(decisions, near, skills, panels, strict=True)]

    def _panelled(
        self, decision: Decision, near: Near, skills: Indices, panel: Sequence[int]
    ) -> Decision:
        symbolic, names = self._symbolic, self.fitted.evidence.experts
        named = [symbolic.profiles.skills[index] for index in skills]
        here = [names[expert] for expert in self.here]
        return replace(
            decision,
            panel=tuple(names[expert] for expert in panel),
            lead=self._leads.best(symbolic.task(near), here),
            evidence={**decision.evidence, "skills": named},
        )

    def _skills(self, request: Request, near: Near) -> Indices:
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


def _labels(evidence: Evidence) -> list[tuple[str, ...]]:
    """The labels of each question: its keywords, or its task where it has none."""
    return [query.skills or (query.task,) for query in evidence.queries]
