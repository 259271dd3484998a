"""Sends the answer of a panel to the client, with its progress in a stream."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from typing import cast

from aggregators.base import Aggregator, Panel, most_calls
from experts.openai_format import OpenAIFormat
from experts.types import Chunk, Request
from orchestrator.config.model import ServerConfig
from orchestrator.request.answer import NO_BYTES, StartedAnswer
from orchestrator.request.context import RequestContext
from orchestrator.request.expert_calls import ExpertCalls
from orchestrator.request.terms.panels import refuse_what_one_expert_answers
from orchestrator.request.tracing.presentation import extension
from orchestrator.request.tracing.trace import Trace

_OURS = ("stream", "stream_options", "n")


def _without_ours(request: Request) -> Request:
    """What the aggregator's calls are made of: how the answer is sent is not their business."""
    body = {key: value for key, value in request.body.items() if key not in _OURS}
    return replace(request, body=body)


class PanelAnswers:
    """Answers that an aggregator makes of what several experts say."""

    def __init__(self, server: ServerConfig) -> None:
        self._interval_s = server.comment_interval_s
        self._comments = server.comment_after_s is not None

    async def start(
        self,
        context: RequestContext,
        trace: Trace,
        panel: Panel,
        aggregator: Aggregator,
        calls: ExpertCalls,
    ) -> StartedAnswer:
        """Let the panel answer. A stream begins at once: what goes wrong later is told in it.

        Raises RequestError for what a panel cannot answer, and what the aggregator raises.
        """
        refuse_what_one_expert_answers(context)
        trace.aggregating = time.perf_counter()
        answer = _PanelAnswer(context, trace, calls, self._interval_s, self._comments)
        return await answer.start(_announced(context.request, panel, aggregator, calls))


async def _announced(
    request: Request, panel: Panel, aggregator: Aggregator, calls: ExpertCalls
) -> AsyncGenerator[Chunk, None]:
    """The answer's pieces; meanwhile the pool knows whom the aggregator may ask later."""
    most, at_once = most_calls(aggregator, panel), Counter(panel.experts)
    with calls.expectations.answering(most, at_once):
        chunks = aggregator.aggregate(_without_ours(request), panel, calls)
        async with aclosing(cast("AsyncGenerator[Chunk, None]", chunks)):
            async for chunk in chunks:
                yield chunk


class _PanelAnswer:
    """One of them."""

    def __init__(
        self,
        context: RequestContext,
        trace: Trace,
        calls: ExpertCalls,
        interval_s: float,
        comments: bool,
    ) -> None:
        self._context = context
        self._trace = trace
        self._calls = calls
        self._format = OpenAIFormat(context.request, context.model)
        self._interval_s = interval_s
        self._comments = comments

    async def start(self, chunks: AsyncGenerator[Chunk, None]) -> StartedAnswer:
        """Its first bytes, or the whole body."""
        held = AsyncExitStack()
        kind = self._format.content_type
        if self._context.request.stream:
            events = self._events(chunks)
            await held.enter_async_context(aclosing(events))
            return StartedAnswer(kind, await anext(events), events, held)
        text, finish = [], "stop"
        async with aclosing(chunks):
            async for chunk in chunks:
                text.append(chunk.text)
                finish = chunk.finish_reason or finish
        whole = self._format.whole_answer("".join(text), finish, self._trace.total_usage)
        return StartedAnswer(kind, whole, NO_BYTES, held)

    async def _events(self, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[bytes, None]:
        yield self._format.chunk("")
        async with aclosing(_Merged(chunks, self._calls, self._interval_s)) as merged:
            async for item in merged:
                if isinstance(item, str):
                    yield self._progress(item)
                elif item.finish_reason:
                    told = extension(self._context, self._trace)
                    yield self._format.chunk(item.text, item.finish_reason, told)
                elif item.text:
                    yield self._format.chunk(item.text)
        yield self._format.end_of_stream(self._trace.total_usage)

    def _progress(self, words: str) -> bytes:
        if self._context.options.progress == "reasoning":
            return self._format.reasoning_chunk(f"{words}\n")
        # A comment is one line, and names of experts may be anybody's.
        return f": {' '.join(words.split())}\n\n".encode() if self._comments else b""


class _Merged:
    """The pieces of an answer, and between them words on its progress as they are told.

    Where nothing happens for `interval_s`, what it waits for is told once more.
    """

    def __init__(
        self, chunks: AsyncGenerator[Chunk, None], calls: ExpertCalls, interval_s: float
    ) -> None:
        self._chunks = chunks
        self._calls = calls
        self._interval_s = interval_s
        self._told: asyncio.Queue[str] = asyncio.Queue()
        calls.on_progress = self._told.put_nowait
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
                return self._calls.doing()
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
