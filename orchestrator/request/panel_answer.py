"""Answers that several experts give together: words them, and tells how far they are."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import cast

from aggregators.base import Aggregator, Panel
from experts.errors import RequestError
from experts.openai_format import OpenAIFormat
from experts.types import Chunk, Request
from orchestrator.config.model import ServerConfig
from orchestrator.request.expert_calls import ExpertCalls
from orchestrator.request.trace import Trace

_ALONE = ("tools", "functions", "logprobs", "response_format")
"""Fields that mean something for the answer of one model only."""
_OURS = ("stream", "stream_options", "n")


def refuse_uncomposable(request: Request) -> None:
    """Raise RequestError for a request that can have no composed answer."""
    if (request.body.get("n") or 1) != 1:
        raise RequestError("A composed answer has one choice: n must be 1.", param="n")
    for field in _ALONE:
        if request.body.get(field):
            raise RequestError(
                f"A composed answer cannot have {field}: ask one expert by its name.", param=field
            )


class PanelAnswer:
    """One composed answer."""

    def __init__(
        self, request: Request, trace: Trace, ask: ExpertCalls, server: ServerConfig
    ) -> None:
        self._request = request
        self._trace = trace
        self._ask = ask
        self._format = OpenAIFormat(request, trace.model)
        self._interval_s = server.comment_interval_s
        self._comments = server.comment_after_s is not None

    @property
    def content_type(self) -> str:
        """Of the response."""
        return self._format.content_type

    async def begin(
        self, aggregator: Aggregator, panel: Panel, held: AsyncExitStack
    ) -> tuple[bytes, AsyncIterator[bytes]]:
        """The first bytes, or the whole body, and the rest; closing `held` ends everything.

        A stream begins at once: what goes wrong later is told in it.
        """
        plain = {k: v for k, v in self._request.body.items() if k not in _OURS}
        asked = Request(
            self._request.id,
            self._request.operation,
            plain,
            source=self._request.source,
            tests=self._request.tests,
        )
        chunks = cast("AsyncGenerator[Chunk, None]", aggregator.aggregate(asked, panel, self._ask))
        if self._request.stream:
            events = self._events(chunks)
            await held.enter_async_context(aclosing(events))
            return await anext(events), events
        text, finish = [], "stop"
        async with aclosing(chunks):
            async for chunk in chunks:
                text.append(chunk.text)
                finish = chunk.finish_reason or finish
        return self._format.whole_answer("".join(text), finish, self._trace.used), nothing()

    async def _events(self, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[bytes, None]:
        yield self._format.chunk("")
        async with aclosing(_Merged(chunks, self._ask, self._interval_s)) as merged:
            async for item in merged:
                if isinstance(item, str):
                    yield self._progress(item)
                elif item.finish_reason:
                    told = self._trace.extension(self._trace.options.explain)
                    yield self._format.chunk(item.text, item.finish_reason, told)
                elif item.text:
                    yield self._format.chunk(item.text)
        yield self._format.end_of_stream(self._trace.used)

    def _progress(self, words: str) -> bytes:
        if self._trace.options.progress == "reasoning":
            return self._format.reasoning_chunk(f"{words}\n")
        # A comment is one line, and names of experts may be anybody's.
        return f": {' '.join(words.split())}\n\n".encode() if self._comments else b""


class _Merged:
    """The pieces of an answer, and between them words on its progress as they are told.

    Where nothing happens for `interval_s`, what it waits for is told once more.
    """

    def __init__(
        self, chunks: AsyncGenerator[Chunk, None], ask: ExpertCalls, interval_s: float
    ) -> None:
        self._chunks = chunks
        self._ask = ask
        self._interval_s = interval_s
        self._told: asyncio.Queue[str] = asyncio.Queue()
        ask.on_progress = self._told.put_nowait
        self._next: asyncio.Task[Chunk | None] | None = None

    def __aiter__(self) -> "_Merged":
        return self

    async def __anext__(self) -> Chunk | str:
        """Progress first: it is older than the piece that is there."""
        if self._next is None:
            self._next = asyncio.create_task(_next(self._chunks))
        if self._told.empty() and not self._next.done():
            news = asyncio.create_task(self._told.get())
            try:
                done, _ = await asyncio.wait(
                    {news, self._next},
                    timeout=self._interval_s,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                news.cancel()
            if news in done:
                return news.result()
            if not done:
                return self._ask.doing()
        if not self._told.empty():
            return self._told.get_nowait()
        chunk = await self._next
        self._next = None
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """End what is under way."""
        if self._next is not None and not self._next.done():
            self._next.cancel()
            await asyncio.wait([self._next])
        elif self._next is not None and not self._next.cancelled():
            self._next.exception()
        await self._chunks.aclose()


async def _next(chunks: AsyncGenerator[Chunk, None]) -> Chunk | None:
    return await anext(chunks, None)


async def nothing() -> AsyncIterator[bytes]:
    """No bytes."""
    for _ in ():
        yield b""
