"""Answers that several experts give together: asks through the pool, counts, and words them."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing

from aggregators.base import Aggregator, Ask, Panel
from experts.errors import RequestError
from experts.types import Chunk, Request
from experts.wording import Wording
from orchestrator.pool import ExpertPool
from orchestrator.trace import Trace

_ALONE = ("tools", "functions", "logprobs", "response_format")
"""Fields that mean something for the answer of one model only."""
_OURS = ("stream", "stream_options", "n")


class Composed:
    """One composed answer."""

    def __init__(self, pool: ExpertPool, request: Request, trace: Trace) -> None:
        """Raises RequestError for a request that can have no composed answer."""
        body = request.body
        if (body.get("n") or 1) != 1:
            raise RequestError("A composed answer has one choice: n must be 1.", param="n")
        for field in _ALONE:
            if body.get(field):
                raise RequestError(
                    f"A composed answer can not have {field}: ask one expert by its name.",
                    param=field,
                )
        self._pool = pool
        self._request = request
        self._trace = trace
        self._wording = Wording(request, trace.model)

    @property
    def content_type(self) -> str:
        """Of the response."""
        return self._wording.content_type

    async def begin(
        self, aggregator: Aggregator, panel: Panel, held: AsyncExitStack
    ) -> tuple[bytes, AsyncIterator[bytes]]:
        """The first bytes, or the whole body, and the rest; closing `held` ends everything."""
        plain = {k: v for k, v in self._request.body.items() if k not in _OURS}
        asked = Request(self._request.id, self._request.operation, plain)
        chunks = aggregator.aggregate(asked, panel, asker(self._pool, self._trace))
        if self._request.stream:
            events = self._events(chunks)
            await held.enter_async_context(aclosing(events))
            return await anext(events), events
        text, finish = [], "stop"
        async for chunk in chunks:
            text.append(chunk.text)
            finish = chunk.finish_reason or finish
        return self._wording.whole("".join(text), finish, self._trace.used), nothing()

    async def _events(self, chunks: AsyncIterator[Chunk]) -> AsyncGenerator[bytes, None]:
        async for chunk in chunks:
            if chunk.text or chunk.finish_reason:
                yield self._wording.piece(chunk.text, chunk.finish_reason)
        yield self._wording.end(self._trace.used)


def asker(pool: ExpertPool, trace: Trace) -> Ask:
    """What asks one expert for a part of an answer, and counts what that costs."""

    async def ask(expert: str, request: Request) -> AsyncIterator[Chunk]:
        with await pool.lease(expert, trace.request_class) as lease:
            trace.asked = True
            async with aclosing(lease.engine.stream(request)) as stream:
                async for chunk in stream:
                    if chunk.usage is not None:
                        trace.count(expert, chunk.usage)
                    yield chunk

    return ask


async def nothing() -> AsyncIterator[bytes]:
    """No bytes."""
    for _ in ():
        yield b""
