"""Any expert, with equal chances: the baseline that every other router must beat."""

import random
from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field

from experts.types import Request
from routers.base import Decision, Encoder, RouterConfig


class RandomRouter:
    """Scores each expert by a random number that only the seed and the request's id decide."""

    class Config(RouterConfig):
        """The keys of a random router."""

        type: Literal["random"]
        seed: int = Field(
            0,
            description="Seed of the choices: another seed chooses other experts for the same"
            " requests.",
        )

    def __init__(
        self,
        name: str,
        config: Config,
        experts: Sequence[str],
        encoder: Callable[[], Encoder],
    ) -> None:
        self.name = name
        self._seed = config.seed
        # In an order of their own, so that the order of the file changes nothing.
        self._experts = sorted(experts)

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        """All experts in a random order; ties, which are next to impossible, go by name."""
        return [self._decide(request) for request in requests]

    def _decide(self, request: Request) -> Decision:
        # A string seeds through SHA-512, equal in every process; `hash` would not be.
        generator = random.Random(f"{self._seed}:{request.id}")
        scores = [(expert, generator.random()) for expert in self._experts]
        scores.sort(key=lambda pair: -pair[1])
        reason = f"{scores[0][0]} was drawn at random (seed {self._seed})."
        return Decision(self.name, tuple(scores), reason)
