"""The path of a completion with several prompts, or one of token ids, on a composition."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from typing import Any

from experts.errors import RequestError
from experts.openai_format import EVENT_STREAM, JSON
from experts.sse import DONE, events
from orchestrator.config.model import ServerConfig
from orchestrator.request.answer import NO_BYTES, StartedAnswer
from orchestrator.request.context import RequestContext
from orchestrator.request.prompts.merging import Merging
from orchestrator.request.prompts.token_ids import Detokenizer
from orchestrator.request.tracing.trace import Trace

Answer = Callable[[RequestContext, Trace], Awaitable[StartedAnswer]]
AT_ONCE = 64
"""Prompts of one request that are answered at the same time: as many as a router's batch has."""
HELD_BACK = 256
"""Events that may wait for a client that reads slowly."""


class SeveralPrompts:
    """Answers every prompt by itself."""

    def __init__(self, detokenizer: Detokenizer, server: ServerConfig) -> None:
        self._detokenizer = detokenizer
        self._most = server.max_prompts
        comments = server.comment_after_s is not None
        self._interval_s = server.comment_interval_s if comments else None

    async def start(
        self, context: RequestContext, trace: Trace, experts: Sequence[str], answer: Answer
    ) -> StartedAnswer:
        """Begin with all prompts; `answer` is how one of them is answered, by one of `experts`.

        Raises RequestError for too many prompts and for token ids that cannot be routed, and what
        `answer` raises for any of them.
        """
        prompts = context.request.body["prompt"]
        if all(isinstance(token, int) for token in prompts):
            prompts = [prompts]
        if len(prompts) > self._most:
            raise RequestError(
                f"`prompt` must hold at most {self._most} prompts (server.max_prompts).",
                param="prompt",
            )
        if len(prompts) == 1:
            only = await self._part(context, context.id, prompts[0], experts)
            return await answer(only, trace)
        room = asyncio.Semaphore(AT_ONCE)

        async def part(number: int, prompt: Any) -> RequestContext:
            async with room:
                return await self._part(context, f"{context.id}-{number}", prompt, experts)

        parts = await asyncio.gather(*(part(n, prompt) for n, prompt in enumerate(prompts)))
        return await _Several(context, trace, parts, answer, self._interval_s).start()

    async def _part(
        self, context: RequestContext, name: str, prompt: Any, experts: Sequence[str]
    ) -> RequestContext:
        """The request for one prompt; for token ids, with their text in their place."""
        request = replace(context.request, id=name, body={**context.request.body, "prompt": prompt})
        part = replace(context, request=request)
        if isinstance(prompt, str):
            return part
        text = await self._detokenizer.text(prompt, experts, context.request_class)
        # The ids say themselves where a text begins.
        body = {**request.body, "prompt": text, "add_special_tokens": False}
        return replace(part, request=replace(request, body=body), as_sent=request)


class _Several:
    """The answers of one request."""

    def __init__(
        self,
        context: RequestContext,
        trace: Trace,
        parts: Sequence[RequestContext],
        answer: Answer,
        interval_s: float | None,
    ) -> None:
        """A stream in which nothing happens for `interval_s` says so in a comment."""
        self._stream = context.request.stream
        self._interval_s = interval_s
        self._trace = trace
        self._parts = parts
        self._answer = answer
        self._traces = [Trace() for _ in parts]
        self._room = asyncio.Semaphore(AT_ONCE)
        self._merging = Merging(context, len(parts))
        self._events: asyncio.Queue[bytes | Exception] = asyncio.Queue(HELD_BACK)
        self._left = len(parts)
        trace.doing = self._doing

    async def start(self) -> StartedAnswer:
        """The whole answer, or the first event of its stream."""
        held = AsyncExitStack()
        tasks = [asyncio.create_task(self._one(number)) for number in range(len(self._parts))]
        held.push_async_callback(_end, tasks)
        try:
            if self._stream:
                pieces = self._told()
                await held.enter_async_context(aclosing(pieces))
                first = await anext(pieces)
                self._describe()
                return StartedAnswer(EVENT_STREAM, first, pieces, held)
            answers = await asyncio.gather(*tasks)
        except BaseException:
            await held.aclose()
            self._describe()
            raise
        self._describe()
        experts = [trace.expert or "nobody" for trace in self._traces]
        whole = self._merging.whole(answers, experts)
        return StartedAnswer(JSON, whole, NO_BYTES, held)

    async def _one(self, number: int) -> bytes:
        """The answer to one prompt; of a stream, its events go to the queue."""
        part, trace = self._parts[number], self._traces[number]
        try:
            async with self._room, await self._answer(part, trace) as answer:
                if self._stream:
                    await self._hand_on(number, answer)
                return answer.first
        except Exception as error:
            if not self._stream:
                raise
            await self._events.put(error)
            return b""
        finally:
            self._left -= 1
            self._count(trace)

    async def _hand_on(self, number: int, answer: StartedAnswer) -> None:
        expert = self._traces[number].expert or self._parts[number].model
        async for data in events(expert, _all(answer)):
            if data != DONE and (event := self._merging.event(number, expert, data)):
                await self._events.put(event)
        await self._events.put(b"")

    async def _told(self) -> AsyncGenerator[bytes, None]:
        """The events as they come; the first error ends them all."""
        ended, patience_s = 0, None
        while ended < len(self._parts):
            try:
                async with asyncio.timeout(patience_s):
                    event = await self._events.get()
            except TimeoutError:
                yield f": {self._doing()}\n\n".encode()
                continue
            patience_s = self._interval_s  # Before the first one, no status has been sent.
            if isinstance(event, Exception):
                raise event
            ended += not event
            if event:
                yield event
        self._describe()
        yield self._merging.end()

    def _doing(self) -> str:
        return f"{len(self._parts) - self._left} of {len(self._parts)} prompts are answered"

    def _count(self, part: Trace) -> None:
        """Add what one prompt took to the request's trace."""
        whole = self._trace
        for expert, usage in part.usage.items():
            whole.count(expert, usage)
        whole.attempts += part.attempts
        whole.retried += part.retried
        whole.retries += part.retries
        whole.made += part.made
        whole.budget_spent += part.budget_spent
        for name in ("route_ms", "queue_ms", "load_ms", "slot_wait_ms"):
            setattr(whole, name, max(getattr(whole, name), getattr(part, name)))

    def _describe(self) -> None:
        """Who answers what; the request's plan is that of the first prompt that has one."""
        first = next((trace for trace in self._traces if trace.plan), self._traces[0])
        self._trace.decision, self._trace.plan = first.decision, first.plan
        self._trace.decided, self._trace.aggregating = first.decided, first.aggregating
        self._trace.facts["prompts"] = [
            {"expert": trace.expert, "reason": trace.plan and trace.plan.reason}
            for trace in self._traces
        ]


async def _all(answer: StartedAnswer) -> AsyncGenerator[bytes, None]:
    yield answer.first
    async for piece in answer.rest:
        yield piece


async def _end(tasks: Sequence["asyncio.Task[bytes]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
