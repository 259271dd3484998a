"""Always the same experts: the simplest router, the shortest example, and a baseline."""

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field, field_validator

from experts.types import Request
from routers.base import Decision, Encoder, RouterConfig


class StaticRouter:
    """Sends every request to one configured expert, or to the same panel, each with score 1."""

    class Config(RouterConfig):
        """The keys of a static router."""

        type: Literal["static"]
        expert: str | tuple[str, ...] = Field(
            description="The expert that answers everything; or several that count as equally"
            " good, in the order in which a panel asks them."
        )

        @field_validator("expert")
        @classmethod
        def _different(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
            if isinstance(value, tuple) and not 0 < len(set(value)) == len(value):
                raise ValueError("name at least one expert, and each only once.")
            return value

        @property
        def named(self) -> tuple[str, ...]:
            """The experts, in their order."""
            return (self.expert,) if isinstance(self.expert, str) else self.expert

        def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
            """The experts must be in the pool."""
            known = ", ".join(experts)
            return tuple(
                f"expert: no expert is called `{name}` (known: {known})."
                for name in self.named
                if name not in experts
            )

        def most_named(self, experts: Sequence[str]) -> int:
            """Only these."""
            return len(self.named)

    def __init__(
        self,
        name: str,
        config: Config,
        experts: Sequence[str],
        encoder: Callable[[], Encoder],
    ) -> None:
        self.name = name
        self._experts = config.named

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        """The configured experts for each request."""
        verb = "is" if len(self._experts) == 1 else "are"
        reason = f"{', '.join(self._experts)} {verb} configured to answer everything."
        decision = Decision(self.name, tuple((expert, 1.0) for expert in self._experts), reason)
        return [decision for _ in requests]
