"""One request that reads an answer which others may read as well."""

from collections.abc import AsyncIterator
from typing import Protocol

from orchestrator.request.context import RequestContext
from orchestrator.request.reuse.retold import retold
from orchestrator.request.tracing.presentation import extension
from orchestrator.request.tracing.trace import AnswerSource, Trace


class Shared(Protocol):
    """What is read."""

    @property
    def source(self) -> AnswerSource:
        """What is told of it."""
        ...

    async def piece(self, number: int) -> bytes | None:
        """A piece, once it is there; None behind the last."""
        ...

    async def leave(self, reader: "Reader") -> None:
        """A reader is done, or has gone."""
        ...

    def taken(self) -> None:
        """A reader has sent another piece on."""
        ...


class Reader:
    """A place in the answer, and the request that stands there."""

    def __init__(self, shared: Shared, context: RequestContext, trace: Trace) -> None:
        self.context = context
        self.trace = trace
        self.bytes_sent = 0
        self._shared = shared
        trace.source = shared.source

    async def begin(self) -> bytes:
        """The first piece; of an answer that is not streamed, all of it, when it is over."""
        first = await self._shared.piece(0) or b""
        if not self.context.request.stream:
            await self._shared.piece(1)
        return self._shown(first)

    async def rest(self) -> AsyncIterator[bytes]:
        """The other pieces."""
        number = 1
        while (piece := await self._shared.piece(number)) is not None:
            yield self._shown(piece)
            number += 1
            self.bytes_sent += len(piece)
            self._shared.taken()

    async def leave(self) -> None:
        """Read no more."""
        await self._shared.leave(self)

    def _shown(self, piece: bytes) -> bytes:
        if self.trace.cache == "miss" or not self.context.request.stream:
            return piece
        return retold(piece, lambda: extension(self.context, self.trace))
