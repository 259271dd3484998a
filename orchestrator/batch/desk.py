"""What a batch needs of the service: somebody who reads a line's body, routes it and answers it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestrator.batch.line import Line
from orchestrator.request.context import RequestContext
from orchestrator.request.decider import Foreseen


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a request."""

    status: int
    """As in HTTP."""
    request_id: str
    body: Any
    """The answer, or an error in OpenAI's shape."""
    tokens: Mapping[str, int] = field(default_factory=dict)
    """`prompt_tokens` and `completion_tokens`."""
    retry_after_s: float | None = None
    """When it may be asked again; None where that would change nothing."""


class Desk(Protocol):
    """Of one gateway."""

    def read(self, line: Line, endpoint: str, request_id: str, owner: str | None) -> RequestContext:
        """The request of a line. Raises RequestError for a body that is refused."""
        ...

    async def foresee(self, contexts: Sequence[RequestContext]) -> Sequence[Foreseen | Answered]:
        """Whom each of them will ask, routed all at once; or what it failed with."""
        ...

    async def answer(self, context: RequestContext) -> Answered:
        """The whole answer, or what it failed with; never raises for what a request may do."""
        ...

    def engine(self, expert: str) -> str | None:
        """What has to be loaded for an expert; None where it is remote."""
        ...

    def sizes(self) -> Mapping[str, float]:
        """GB of each engine that has to be loaded."""
        ...

    def room(self) -> float:
        """GB of all slots together."""
        ...
