"""The Symbolic-MoE router (arXiv 2503.05641): a panel of experts by the skills of a question."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from experts.types import Request
from routers.base import Decision, Encoder
from routers.fitted.neighbours import Neighbours
from routers.fitted.predictor import Prediction
from routers.fitted.router import FittedRouter
from routers.fitted.training_set import Floats, Indices
from routers.reading import told
from routers.symbolic_moe.expectations import Symbolic, draws
from routers.symbolic_moe.leads import Leads
from routers.symbolic_moe.symbolic_config import SymbolicConfig


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
        expected = symbolic.expected(skills, vectors)
        panels = [self._recruit(*one) for one in zip(requests, expected, skills, strict=True)]
        decided = self._decide(vectors, Prediction(expected))
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

    def _recruit(self, request: Request, expected: Floats, skills: Indices) -> list[int]:
        random = draws(self._config.seed, request.id)
        return self._symbolic.recruit(expected, skills, self._recruited, random)
