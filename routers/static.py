"""Always the same expert: the simplest router, the shortest example, and a baseline."""

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field

from experts.types import Request
from routers.base import Decision, Encoder, RouterConfig


class StaticRouter:
    """Sends every request to one configured expert, with score 1."""

    class Config(RouterConfig):
        """The keys of a static router."""

        type: Literal["static"]
        expert: str = Field(description="The expert that answers everything.")

        def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
            """The expert must be in the pool."""
            if self.expert in experts:
                return ()
            known = ", ".join(experts)
            return (f"expert: no expert is called `{self.expert}` (known: {known}).",)

        def most_named(self, experts: Sequence[str]) -> int:
            """Only the one."""
            return 1

    def __init__(
        self,
        name: str,
        config: Config,
        experts: Sequence[str],
        encoder: Callable[[], Encoder],
    ) -> None:
        self.name = name
        self._expert = config.expert

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        """The configured expert for each request."""
        reason = f"{self._expert} is configured to answer everything."
        decision = Decision(self.name, ((self._expert, 1.0),), reason)
        return [decision for _ in requests]
