"""Learning while serving: an adversarial bandit over routing strategies, from clients' feedback.

The fitted router is one strategy; always asking the same expert, and the fitted router without one
of its experts, are others. EXP4 (Auer et al., 2002) with implicit exploration (arXiv 1506.03271)
learns which of them is best, and a fixed share (Herbster and Warmuth, 1998) lets it follow one that
changes. As long as the fit is right, its strategy keeps nearly all the weight. Pure: randomness is
seeded by the request.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple

from pydantic import Field

from experts.keys import Keys
from routers.base import Decision

FITTED, ONLY, WITHOUT = "fitted", "only ", "without "


class LearningConfig(Keys):
    """The keys under `compositions.NAME.learning`."""

    rate: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Learning rate: how much one piece of feedback changes a weight.",
    )
    drift: float = Field(
        0.0005,
        ge=0,
        lt=1,
        description="Share of the weights that is spread evenly after each piece of feedback.",
    )
    explore: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="Share of requests that go to an expert drawn at random, in order to learn.",
    )
    prior: float = Field(
        0.98,
        gt=0,
        lt=1,
        description="Initial weight of the strategy that follows the fitted router.",
    )
    seed: int = Field(0, description="Seed of the draws.")


class Draw(NamedTuple):
    """An expert that was drawn for a request: what later feedback is about."""

    expert: str
    probability: float
    """The probability with which it was drawn."""
    strategies: tuple[str, ...]
    """The strategies that would have chosen it."""


@dataclass(frozen=True, slots=True)
class Bandit:
    """The state of EXP4: weights of the strategies, which add up to 1."""

    weights: Mapping[str, float]

    @classmethod
    def new(cls, experts: Iterable[str], config: LearningConfig) -> "Bandit":
        """The weights before any feedback."""
        others = [name + expert for expert in experts for name in (ONLY, WITHOUT)]
        if not others:
            return cls({FITTED: 1.0})
        rest = (1 - config.prior) / len(others)
        return cls({FITTED: config.prior, **dict.fromkeys(others, rest)})

    def choose(
        self, decision: Decision, config: LearningConfig, request_id: str
    ) -> tuple[Decision, Draw]:
        """Draw an expert, which comes first in the returned decision.

        A decision with an alarm, or without a choice, stays as it is.
        """
        names = [name for name, _ in decision.scores]
        if decision.fallback or len(names) < 2:
            return decision, Draw(names[0], 1.0, tuple(self.weights))
        wanted = {strategy: _wanted(strategy, names) for strategy in self.weights}
        chances = dict.fromkeys(names, config.explore / len(names))
        for strategy, name in wanted.items():
            chances[name] += (1 - config.explore) * self.weights[strategy]
        (drawn,) = Random(f"{config.seed}:{request_id}").choices(names, list(chances.values()))
        asked = Draw(drawn, chances[drawn], tuple(p for p, name in wanted.items() if name == drawn))
        if drawn == names[0]:
            return decision, asked
        first = decision.scores[names.index(drawn)]
        others = [scored for scored in decision.scores if scored is not first]
        reason = f"{drawn} is asked because of earlier feedback. {decision.reason}"
        return replace(decision, scores=(first, *others), reason=reason), asked

    def learn(self, asked: Draw, score: float, config: LearningConfig) -> "Bandit":
        """The weights after a feedback score of 0 (wrong) to 1 (right) on an answer."""
        loss = (1 - score) / (asked.probability + config.rate / 2)
        factor = math.exp(-config.rate * loss)
        changed = {
            strategy: weight * (factor if strategy in asked.strategies else 1.0)
            for strategy, weight in self.weights.items()
        }
        total = sum(changed.values())
        even = config.drift / len(changed)
        return Bandit(
            {strategy: (1 - config.drift) * w / total + even for strategy, w in changed.items()}
        )


def _wanted(strategy: str, names: list[str]) -> str:
    """The expert that a strategy chooses from `names`, which come best first."""
    if strategy.startswith(ONLY):
        only = strategy.removeprefix(ONLY)
        return only if only in names else names[0]
    if strategy.startswith(WITHOUT) and strategy.removeprefix(WITHOUT) == names[0]:
        return names[1]
    return names[0]
