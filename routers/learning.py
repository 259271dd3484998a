"""Learning while serving: a no-regret mixture of policies over the experts, from clients' feedback.

In the manner of AEGIS: the fitted router is one policy; asking always the same expert, and the
fitted router without one of its experts, are others. EXP4 with implicit exploration (arXiv
1506.03271) finds out which of them is best, and a fixed share (Herbster and Warmuth, 1998) lets
it follow one that changes. Where the fit stays right, its policy keeps nearly all the weight.
Pure: randomness is seeded by the request.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from routers.base import Decision

FITTED, ONLY, WITHOUT = "fitted", "only ", "without "


class LearningConfig(BaseModel):
    """The keys under `compositions.NAME.learning`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: float = Field(
        0.1, gt=0, le=1, description="Learning rate: how much one score changes a policy's weight."
    )
    drift: float = Field(
        0.0005,
        ge=0,
        lt=1,
        description="Share of all weight that is spread evenly after each score, so that old"
        " habits fade.",
    )
    explore: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="Share of requests that go to an expert drawn at random, so as to learn.",
    )
    prior: float = Field(
        0.98, gt=0, lt=1, description="Weight of the fitted router's policy at the start."
    )
    seed: int = Field(0, description="Seed of the draws.")


class Asked(NamedTuple):
    """What a feedback is about."""

    expert: str
    probability: float
    """That this expert was drawn."""
    policies: tuple[str, ...]
    """Those that would have asked it."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """Weights of the policies, 1 in all."""

    weights: Mapping[str, float]

    @classmethod
    def new(cls, experts: Iterable[str], config: LearningConfig) -> "Mixture":
        """Before any feedback."""
        others = [name + expert for expert in experts for name in (ONLY, WITHOUT)]
        if not others:
            return cls({FITTED: 1.0})
        rest = (1 - config.prior) / len(others)
        return cls({FITTED: config.prior, **dict.fromkeys(others, rest)})

    def choose(
        self, decision: Decision, config: LearningConfig, request_id: str
    ) -> tuple[Decision, Asked]:
        """Draw an expert; it comes first in the decision that is returned.

        A decision with an alarm, or without a choice, stays as it is.
        """
        names = [name for name, _ in decision.scores]
        if decision.fallback or len(names) < 2:
            return decision, Asked(names[0], 1.0, tuple(self.weights))
        wanted = {policy: _wanted(policy, names) for policy in self.weights}
        chances = dict.fromkeys(names, config.explore / len(names))
        for policy, name in wanted.items():
            chances[name] += (1 - config.explore) * self.weights[policy]
        (drawn,) = Random(f"{config.seed}:{request_id}").choices(names, list(chances.values()))
        asked = Asked(
            drawn, chances[drawn], tuple(p for p, name in wanted.items() if name == drawn)
        )
        if drawn == names[0]:
            return decision, asked
        first = decision.scores[names.index(drawn)]
        others = [scored for scored in decision.scores if scored is not first]
        reason = f"{drawn} is asked by what feedback has shown. {decision.reason}"
        return replace(decision, scores=(first, *others), reason=reason), asked

    def learn(self, asked: Asked, score: float, config: LearningConfig) -> "Mixture":
        """The weights after a feedback of 0 to 1 on an answer."""
        loss = (1 - score) / (asked.probability + config.rate / 2)
        factor = math.exp(-config.rate * loss)
        changed = {
            policy: weight * (factor if policy in asked.policies else 1.0)
            for policy, weight in self.weights.items()
        }
        total = sum(changed.values())
        even = config.drift / len(changed)
        return Mixture(
            {policy: (1 - config.drift) * w / total + even for policy, w in changed.items()}
        )


def _wanted(policy: str, names: list[str]) -> str:
    """Whom a policy would ask; `names` come best first. Who is not there cannot be asked."""
    if policy.startswith(ONLY):
        only = policy.removeprefix(ONLY)
        return only if only in names else names[0]
    if policy.startswith(WITHOUT) and policy.removeprefix(WITHOUT) == names[0]:
        return names[1]
    return names[0]
