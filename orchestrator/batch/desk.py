"""What a batch needs of the service: somebody who reads a line's body, routes it and answers it."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

from experts.errors import RequestError
from orchestrator.batch.feeding import Room
from orchestrator.batch.line import Line
from orchestrator.request.context import RequestContext
from orchestrator.request.decider import Foreseen


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is expected of a run."""

    loads: int
    seconds: float
    unknown: tuple[str, ...] = ()
    """Who is called whose costs have not been measured, or never are: those of other servers."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a request."""

    status: int
    """As in HTTP."""
    request_id: str
    body: Any
    """The answer, or an error in OpenAI's shape."""
    retry_after_s: float | None = None
    """When it may be asked again; None where that would change nothing."""


class Desk(Protocol):
    """Of one gateway."""

    def read(self, line: Line, endpoint: str, request_id: str, owner: str | None) -> RequestContext:
        """The request of a line. Raises RequestError for a body that is refused."""
        ...

    def refused(self, error: RequestError, request_id: str) -> Answered:
        """What a client would get for such a body."""
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

    def room(self) -> Room:
        """What the slots can hold."""
        ...

    def resident(self) -> Mapping[str, str]:
        """The engines that are loaded, or on their way in, each with its slot."""
        ...

    def follow(self, before: AbstractSet[str], now: AbstractSet[str]) -> None:
        """More is asked of the engines `now` as soon as they have answered, and was of `before`."""
        ...

    def loads(self) -> int:
        """Loads of engines so far, for whomever."""
        ...

    def predict(
        self, calls: Mapping[str, int], again: int, resident: Mapping[str, str]
    ) -> Prediction:
        """What so many calls of experts take from the moment when `resident` were there.

        Each other engine is loaded once, and `again` times one or another of all.
        """
        ...
