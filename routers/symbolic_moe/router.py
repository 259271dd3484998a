"""Symbolic-MoE (arXiv 2503.05641): experts by the skills of a question."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from experts.types import Request
from routers.base import Decision
from routers.evidence import Evidence, Floats, Indices
from routers.fitted import FittedConfig, FittedRouter, Predictor
from routers.neighbours import find
from routers.symbolic_moe.profiles import Profiles, build
from routers.symbolic_moe.recruiting import Mode, chances, draw, trim
from routers.symbolic_moe.skills import agreed


class SymbolicConfig(FittedConfig):
    """The keys of a Symbolic-MoE router."""

    type: Literal["symbolic_moe"]
    samples: int = Field(
        5, ge=2, le=64, description="Nearest labelled questions; a skill of two of them counts."
    )
    floor: float | None = Field(
        None, ge=-1, le=1, description="Cosine below which a question is no neighbour."
    )
    mode: Mode = Field("paper", description="How experts are drawn: as in the paper, or its code.")
    experts: int = Field(3, ge=1, le=64, description="How many are recruited.")
    replace: bool = Field(True, description="Whether one may be recruited more than once.")
    trim_below: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="Who takes part in a smaller share of a batch is replaced by somebody else.",
    )
    trim_from: int = Field(32, ge=1, description="Requests from which a batch is trimmed.")
    prior_weight: float = Field(
        1.0, gt=0, description="Answers of its overall mean that an expert has in each skill."
    )
    seed: int = Field(0, description="Another seed recruits others for the same requests.")


class Symbolic(Predictor):
    """The share of right answers in the skills of the nearest labelled questions."""

    def __init__(self, evidence: Evidence, profiles: Profiles, config: SymbolicConfig) -> None:
        self.means = evidence.means
        self.profiles = profiles
        self._evidence = evidence
        self._config = config
        self._number = {skill: index for index, skill in enumerate(profiles.skills)}

    @classmethod
    def fit(cls, evidence: Evidence, config: SymbolicConfig) -> Self:
        return cls(evidence, build(evidence, _skills(evidence)), config)

    @classmethod
    def load(
        cls, arrays: Mapping[str, NDArray[Any]], evidence: Evidence, config: SymbolicConfig
    ) -> Self:
        return cls.fit(evidence, config)  # Counting is as fast as reading.

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def predict(self, vectors: Floats) -> Floats:
        prior = self._config.prior_weight
        rows = [
            self.profiles.accuracy(self.skills(vectors[row : row + 1]), self.means, prior)
            for row in range(len(vectors))
        ]
        return np.stack(rows)

    def skills(self, vector: Floats) -> Indices:
        """Numbers of the skills of one vector [1, dimension]; none where neighbours disagree."""
        near = find(self._evidence.vectors, vector, self._config.samples)
        floor = self._config.floor
        kept = near.rows[0] if floor is None else near.rows[0][near.similarities[0] >= floor]
        labels = _skills(self._evidence.take(kept))
        found = agreed(labels) or (labels[0] if labels else ())
        return np.array([self._number[skill] for skill in found], dtype=np.intp)

    def explain(self, vectors: Floats) -> dict[str, Any]:
        """The skills that were found."""
        return {"skills": [self.profiles.skills[index] for index in self.skills(vectors)]}

    def chances(self, vector: Floats) -> Floats:
        """[M] probabilities of being recruited; equal ones where no skill was found."""
        skills = self.skills(vector)
        if not len(skills):
            return np.full(len(self.means), 1 / len(self.means))
        return chances(self.profiles.local(skills), self.profiles.totals, self._config.mode)


class SymbolicRouter(FittedRouter):
    """Skills of the nearest labelled questions, points for each expert, and a draw of a panel.

    `Decision.panel` holds the recruits; the first of the scores answers where one is enough.
    """

    Config = SymbolicConfig
    predictor = Symbolic

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        """One decision per request. A batch of `trim_from` or more is trimmed together."""
        decisions = super().route(requests)
        vectors = self._encoder.encode([request.query for request in requests])
        panels = [
            self._recruit(request, vectors[row : row + 1]) for row, request in enumerate(requests)
        ]
        if len(requests) >= self._config.trim_from:
            panels = trim(panels, self._config.trim_below, Random(f"trim {self._config.seed}"))
        names = self.fitted.evidence.experts
        return [
            replace(decision, panel=tuple(names[expert] for expert in panel))
            for decision, panel in zip(decisions, panels, strict=True)
        ]

    def _recruit(self, request: Request, vector: Floats) -> list[int]:
        predictor = self.fitted.predictor
        assert isinstance(predictor, Symbolic)
        config = self._config
        # A string seeds through SHA-512, equal in every process.
        random = Random(f"{config.seed}:{request.id}")
        found = predictor.chances(vector)
        here = np.isin(np.arange(len(found)), self.here)
        return draw(np.where(here, found, 0.0), config.experts, config.replace, random)


def _skills(evidence: Evidence) -> list[tuple[str, ...]]:
    """The labels of each question: its keywords, or its task where it has none."""
    return [query.skills or (query.task,) for query in evidence.queries]
