"""The protocol of an aggregator: it asks experts, and turns what they say into one answer."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from experts.types import Chunk, Completion, Request, Usage


class Ask(Protocol):
    """Asks one expert, through the pool; closing the iterator aborts the generation.

    Raises ExpertError. Every call counts in the request's usage.
    """

    def __call__(self, expert: str, request: Request) -> AsyncIterator[Chunk]: ...


class Aggregator(Protocol):
    """Knows nothing of engines: whom it asks is given, and how.

    `aggregate` yields the answer's text as it becomes known; the last chunk has a finish reason.
    `experts` come best first and may repeat.
    """

    def aggregate(
        self, request: Request, experts: Sequence[str], ask: Ask
    ) -> AsyncIterator[Chunk]: ...


async def whole(expert: str, request: Request, ask: Ask) -> Completion:
    """One expert's complete answer."""
    text: list[str] = []
    finish, usage = None, Usage()
    async for chunk in ask(expert, request):
        text.append(chunk.text)
        finish = chunk.finish_reason or finish
        usage = chunk.usage or usage
    return Completion(expert, "".join(text), finish, usage)
