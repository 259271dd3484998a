"""The path of a request that one expert answers: lease, ask, hand on the bytes, try again."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack

from experts.errors import BadOutput, ExpertError, ExpertLost, ExpertTimeout, RequestError
from experts.fused.roles import Fused, in_role, refuse_role_tokens
from experts.sse import check_whole, usage_in
from experts.types import Request, Usage
from orchestrator.request.answer import StartedAnswer, no_bytes
from orchestrator.request.context import RequestContext
from orchestrator.request.plan import AskExpert
from orchestrator.request.terms.refusals import refused
from orchestrator.request.token_attribution import TokenAttribution
from orchestrator.request.tracing.trace import Trace
from orchestrator.residency.pool import ExpertPool, Lease

EVENT_STREAM = "text/event-stream"
TAIL = 4096
"""Bytes of a stream that are looked at for how it ended: its last events."""
_ENDS = re.compile(rb'\[DONE\]|"finish_reason":\s*"|^data:\s*\{\s*"error"', re.MULTILINE)


class SingleAnswers:
    """Answers of one expert each: the bytes of its engine, untouched."""

    def __init__(self, pool: ExpertPool, fused: Mapping[str, Fused], retries: int) -> None:
        """`fused` are the pool's fused experts, by name."""
        self._pool = pool
        self._fused = fused
        self._retries = retries
        self._suspicions: set[asyncio.Task[None]] = set()

    async def start(
        self, context: RequestContext, trace: Trace, action: AskExpert
    ) -> StartedAnswer:
        """Ask the expert; one that fails before its first byte is asked again, `retries` times.

        A failure after that is raised by `StartedAnswer.rest`. Raises ExpertError, and
        RequestError for a text that a fused expert must not read.
        """
        request = in_role(context.request, action.role) if action.role else context.request
        attribution = self._check_fused(request, context, action.expert)
        while True:
            trace.attempts += 1
            lease = await self._lease(action.expert, context, trace)
            try:
                return await self._begin(request, context, trace, lease, attribution)
            except ExpertError as error:
                # One that was silent for minutes would be so again.
                if not error.retryable or isinstance(error, ExpertTimeout):
                    raise
                await self._pool.suspect(lease)
                if trace.attempts > self._retries:
                    raise
                trace.retried.append(error.message)

    def _check_fused(
        self, request: Request, context: RequestContext, expert: str
    ) -> TokenAttribution | None:
        """Refuse what a fused expert must not read. Raises RequestError."""
        model = self._fused.get(expert)
        if model is not None:
            refuse_role_tokens(request, model)
        if not context.options.tokens:
            return None
        if model is None:
            raise RequestError(
                f"Expert {expert} is not fused: one model speaks at every token.",
                param="coterie.tokens",
            )
        return TokenAttribution(expert, model, request)

    async def _lease(self, expert: str, context: RequestContext, trace: Trace) -> Lease:
        trace.doing = lambda: self._pool.doing(expert)
        started = time.perf_counter()
        try:
            lease = await self._pool.lease(expert, context.request_class)
        except BaseException:
            # Whoever gives up has waited, too.
            trace.queue_ms += 1000 * (time.perf_counter() - started)
            raise
        trace.doing = lambda: f"{expert} has the request"
        trace.queue_ms += lease.queue_ms
        trace.load_ms += lease.load_ms
        trace.slot = lease.slot
        return lease

    async def _begin(
        self,
        request: Request,
        context: RequestContext,
        trace: Trace,
        lease: Lease,
        attribution: TokenAttribution | None,
    ) -> StartedAnswer:
        """Send the request; when this raises, the lease has been given back."""
        held = AsyncExitStack()
        held.enter_context(lease)
        name = lease.engine.name
        count = _counter(trace, name)
        try:
            asked = attribution.request if attribution else request
            answer = await lease.engine.open(asked, context.model)
            held.push_async_callback(answer.aclose)
            trace.slot_wait_ms += answer.slot_wait_ms
            pieces: AsyncIterator[bytes] = answer.pieces
            if not request.stream:
                whole = b"".join([piece async for piece in pieces])
                check_whole(name, answer.content_type, whole)
                count(whole)
                whole = attribution.whole(whole) if attribution else whole
                return StartedAnswer(answer.content_type, whole, no_bytes(), held)
            if not answer.content_type.startswith(EVENT_STREAM):
                raise BadOutput(
                    f"Expert {name} sent {answer.content_type} instead of a stream.", expert=name
                )
            pieces = refused(name, pieces)
            if attribution:
                pieces = attribution.stream(pieces)
            first = await anext(pieces, b"")
            if not first:
                raise ExpertLost(f"Expert {name} sent no answer.", expert=name)
            count(first)
            rest = self._watched(pieces, lease, count, first)
            return StartedAnswer(answer.content_type, first, rest, held)
        except BaseException:
            await held.aclose()
            raise

    async def _watched(
        self,
        pieces: AsyncIterator[bytes],
        lease: Lease,
        count: Callable[[bytes], None],
        first: bytes,
    ) -> AsyncIterator[bytes]:
        """The rest of a stream; if it breaks, the pool learns which slot to look at.

        One that ends without `[DONE]`, a finish reason or an error has broken as well.
        """
        tail = first
        try:
            async for piece in pieces:
                count(piece)
                yield piece
                tail = piece if len(piece) >= TAIL else (tail + piece)[-TAIL:]
            if not _ENDS.search(tail):
                name = lease.engine.name
                raise ExpertLost(f"Expert {name} broke off its answer.", expert=name)
        except ExpertError:
            suspicion = asyncio.create_task(self._pool.suspect(lease))
            self._suspicions.add(suspicion)
            suspicion.add_done_callback(self._suspicions.discard)
            raise


def _counter(trace: Trace, expert: str) -> Callable[[bytes], None]:
    """Notes the usage that is found in the pieces of one answer; a later one replaces it."""
    before = trace.usage.get(expert, Usage())

    def count(piece: bytes) -> None:
        if (usage := usage_in(piece)) is not None:
            trace.usage[expert] = before + usage

    return count
