"""A router that goes by the length of the question."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import Field

from experts.types import Request
from routers.base import Decision, Encoder, RouterConfig


class LengthRouter:
    """Short questions go to one expert, long ones to another."""

    class Config(RouterConfig):
        """The keys of the router."""

        short: str = Field(description="The expert for short questions.")
        long: str = Field(description="The expert for long questions.")
        letters: int = Field(40, ge=1, description="Letters of the longest short question.")
        notes: Path | None = Field(None, description="A file, for the sake of its path.")

        def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
            """Both experts must be in the pool."""
            return tuple(
                f"{key}: no expert is called `{name}`."
                for key, name in (("short", self.short), ("long", self.long))
                if name not in experts
            )

    def __init__(
        self, name: str, config: Config, experts: Sequence[str], encoder: Callable[[], Encoder]
    ) -> None:
        self.name = name
        self.config = config

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        """One decision per request."""
        return [self._decide(request) for request in requests]

    def _decide(self, request: Request) -> Decision:
        is_short = len(request.query) <= self.config.letters
        expert = self.config.short if is_short else self.config.long
        return Decision(self.name, ((expert, 1.0),), f"{len(request.query)} letters")
