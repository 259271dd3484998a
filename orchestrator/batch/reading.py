"""The lines of a batch on their way from the store to their asking: read, routed, remembered."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from experts.errors import RequestError
from orchestrator.batch.batch import Batch
from orchestrator.batch.desk import Answered, Desk
from orchestrator.batch.feeding import Engines, Experts, Routed
from orchestrator.batch.line import Result, parse_line
from orchestrator.request.context import RequestContext
from routers.base import Decision

READ_AT_ONCE = 256
MOST_DECISIONS = 50_000
"""Lines whose decisions are remembered; further ones are decided again when they are asked."""
MOST_BYTES = 8 << 20
"""Lines that stay in memory, parsed, until they are asked; further ones are read again then.

What is parsed takes up to ten times as much.
"""

ReadLines = Callable[[int, int], Awaitable[list[tuple[int, bytes]]]]
"""(first, stop) -> the lines from the first on, which have gaps where lines were wrong."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A line that can be asked."""

    custom_id: str
    context: RequestContext
    size: int
    """Bytes of the line."""


@dataclass(slots=True)
class LineReader:
    """Reads the lines of one batch, each of them once as far as memory allows."""

    batch: Batch
    desk: Desk
    read: ReadLines
    refused: Callable[[int, Result], None]
    """Gets the result of a line whose request is refused."""
    _decisions: dict[int, Decision] = field(default_factory=dict)
    """Of routers, by line, from the routing to the asking."""
    _parsed: dict[int, Asked] = field(default_factory=dict)
    _bytes: int = 0

    async def route(self, numbers: list[int], calls: Counter[str]) -> list[Routed]:
        """The lines with those whom they ask, routed together.

        `calls` are counted, of each expert, as many as there may be.
        """
        contexts: dict[int, RequestContext] = {}
        for number, raw in await self._lines(numbers):
            if (asked := self._parse(number, raw)) is not None:
                contexts[number] = asked.context
                self._remember(number, asked)
        routed: list[Routed] = []
        foreseen = await self.desk.foresee(list(contexts.values()))
        for number, one in zip(contexts, foreseen, strict=True):
            if isinstance(one, Answered):
                # Asked anew, it fails in the same way or does not.
                routed.append(Routed(number))
                continue
            if one.decision is not None and len(self._decisions) < MOST_DECISIONS:
                self._decisions[number] = one.decision
            calls += one.calls
            engines = (self.desk.engine(expert) for expert in one.calls)
            found = Routed(number, Experts(one.calls), Engines(filter(None, engines)))
            routed.append(found)
        return routed

    async def take(self, number: int) -> Asked | None:
        """A line that is asked now; None where its request is refused."""
        asked = self._parsed.pop(number, None)
        if asked is not None:
            self._bytes -= asked.size
        else:
            ((_, raw),) = await self.read(number, number + 1)
            asked = self._parse(number, raw)
        if asked is None:
            return None
        decided = replace(asked.context, decision=self._decisions.pop(number, None))
        return replace(asked, context=decided)

    async def _lines(self, numbers: list[int]) -> list[tuple[int, bytes]]:
        wanted, found = set(numbers), list[tuple[int, bytes]]()
        first, stop = numbers[0], numbers[-1] + 1
        for start in range(first, stop, READ_AT_ONCE):
            found += await self.read(start, min(start + READ_AT_ONCE, stop))
        return [pair for pair in found if pair[0] in wanted]

    def _parse(self, number: int, raw: bytes) -> Asked | None:
        line = parse_line(raw, self.batch.endpoint)
        identifier = f"{self.batch.id}-{number}"
        try:
            context = self.desk.read(line, self.batch.endpoint, identifier, self.batch.owner)
        except RequestError as error:
            told = self.desk.refused(error, identifier)
            result = Result(line.custom_id, told.status, told.request_id, told.body)
            self.refused(number, result)
            return None
        return Asked(line.custom_id, context, len(raw))

    def _remember(self, number: int, asked: Asked) -> None:
        if self._bytes + asked.size <= MOST_BYTES:
            self._bytes += asked.size
            self._parsed[number] = asked
