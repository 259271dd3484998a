"""The path of a request that one expert answers: lease, ask, hand on the bytes, try again."""

import asyncio
import random
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from experts.engine import Answer
from experts.errors import BadOutput, ExpertError, ExpertLost, RequestError
from experts.fused.roles import Fused, in_role, refuse_role_tokens
from experts.sse import EVENT_ENDS, whole_events
from experts.types import EMBEDDINGS, Request
from experts.upstream.answers import (
    EVENT_STREAM,
    choices_of,
    inputs_of,
    read_body,
    read_whole,
    usage_in,
)
from experts.upstream.embeddings import check_embeddings
from experts.upstream.streams import StreamCheck
from orchestrator.request.answer import NO_BYTES, StartedAnswer
from orchestrator.request.context import RequestContext
from orchestrator.request.plan import AskExpert
from orchestrator.request.resilience.retries import Retries
from orchestrator.request.terms.tools import ToolReaders
from orchestrator.request.token_attribution import TokenAttribution, can_tell
from orchestrator.request.tracing.call import CANCELLED, Call, code_of
from orchestrator.request.tracing.trace import Trace
from orchestrator.residency.pool import ExpertPool, Lease

TAIL = 16
"""Blocks of a stream that are looked at for how it ended."""
_FINISHED = re.compile(rb'"finish_reason":\s*"')
_DONE = re.compile(rb"(?:^|[\r\n])data: ?\[DONE\]")
_LAST_EVENT = b"data: [DONE]\n\n"


class SingleAnswers:
    """Answers of one expert each: the bytes of its engine, untouched."""

    def __init__(
        self, pool: ExpertPool, fused: Mapping[str, Fused], tools: ToolReaders, retries: Retries
    ) -> None:
        """`fused` are the pool's fused experts, by name."""
        self._pool = pool
        self._fused = fused
        self._tools = tools
        self._retries = retries
        self._suspicions: set[asyncio.Task[object]] = set()

    async def start(
        self, context: RequestContext, trace: Trace, action: AskExpert
    ) -> StartedAnswer:
        """Ask the expert; one that fails before its first byte is asked again, as `retries` has it.

        A failure after that is raised by `StartedAnswer.rest`. Raises ExpertError, and
        RequestError for a text that a fused expert must not read, and for tools whose calls nobody
        could read.
        """
        if "tools" in context.request.body:
            self._tools.refuse_unread(context.request.body, action.expert)
        request = in_role(context.request, action.role) if action.role else context.request
        attribution = self._check_fused(request, context, action.expert)
        failed = 0
        while True:
            trace.attempts += 1
            call = trace.begins(action.expert, context.identity)
            try:
                lease = await self._lease(action.expert, context, trace, call)
            except BaseException as error:
                call.end(code_of(error))
                raise
            try:
                return await self._begin(request, context, trace, lease, call, attribution)
            except ExpertError as error:
                if "tools" in context.request.body:
                    self._tools.explain(error, action.expert)
                failed += 1
                await self._pool.failed_early(lease, error)
                ours, left_s = lease.slot is not None, context.left_s()
                pause_s = self._retries.pause(
                    error, failed, random.random(), ours=ours, left_s=left_s
                )
                if pause_s is None:
                    raise
                trace.tries_again(action.expert, error.message)
                await asyncio.sleep(pause_s)

    def _check_fused(
        self, request: Request, context: RequestContext, expert: str
    ) -> TokenAttribution | None:
        """Refuse what a fused expert must not read. Raises RequestError."""
        model = self._fused.get(expert)
        if model is not None:
            refuse_role_tokens(request, model)
        wanted = context.options.tokens
        if not wanted or (wanted == "auto" and not can_tell(model, request)):
            return None
        if model is None:
            raise RequestError(
                f"Expert {expert} is not fused: one model speaks at every token.",
                param="coterie.tokens",
            )
        return TokenAttribution(expert, model, request)

    async def _lease(self, expert: str, context: RequestContext, trace: Trace, call: Call) -> Lease:
        trace.doing = partial(self._pool.doing, expert)
        started = time.perf_counter()
        try:
            lease = await self._pool.lease(expert, context.request_class, patient=context.patient)
        except BaseException:
            # Whoever gives up has waited, too.
            trace.queue_ms += 1000 * (time.perf_counter() - started)
            raise
        trace.doing = partial(_has_it, expert)
        trace.queue_ms += lease.queue_ms
        trace.load_ms += lease.load_ms
        trace.slot = lease.slot
        call.leased(lease.queue_ms, lease.load_ms, lease.slot)
        return lease

    async def _begin(
        self,
        request: Request,
        context: RequestContext,
        trace: Trace,
        lease: Lease,
        call: Call,
        attribution: TokenAttribution | None,
    ) -> StartedAnswer:
        """Send the request; when this raises, the lease has been given back."""
        name, holding = lease.engine.name, _Holding(lease, call)
        count = _counter(trace, call, name)
        try:
            asked = context.told(attribution.request if attribution else request, call.span_id)
            holding.answer = answer = await lease.engine.open(asked, context.model)
            trace.slot_wait_ms += answer.slot_wait_ms
            if not request.stream:
                whole = await _whole(name, answer, request)
                call.started()
                self._pool.succeeded(lease)
                count(whole)
                call.end()
                whole = attribution.whole(whole) if attribution else whole
                return StartedAnswer(answer.content_type, whole, NO_BYTES, holding)
            blocks = await _blocks(name, answer, attribution, request)
            check = StreamCheck(name, answer.secrets, choices_of(request.body))
            first = await check.beginning(blocks)
            call.started()
            self._pool.succeeded(lease)
            rest = self._watched(first, blocks, check, lease, call, count)
            return StartedAnswer(answer.content_type, await anext(rest, b""), rest, holding)
        except BaseException as error:
            call.end(code_of(error))
            await holding.aclose()
            raise

    async def _watched(
        self,
        first: bytes,
        blocks: AsyncIterator[bytes],
        check: StreamCheck,
        lease: Lease,
        call: Call,
        count: Callable[[bytes], None],
    ) -> AsyncIterator[bytes]:
        """A stream; if it breaks, the pool learns which slot to look at.

        An error event is raised. A stream that ends without `[DONE]` and without a finish reason
        has broken as well; one without `[DONE]` alone gets it.
        """
        name = lease.engine.name
        try:
            block, failure = check.part(first)
            last = deque([block], maxlen=TAIL)
            count(block)
            yield block
            if failure is not None:
                raise failure
            async for block in blocks:
                part, failure = check.part(block)
                if part:
                    count(part)
                    last.append(part)
                    yield part
                if failure is not None:
                    raise failure
            missing = b"" if check.done else _missing(name, b"".join(last))
            call.end()
            if missing:
                yield missing
        except ExpertError as error:
            if check.done:
                call.end()
                return  # Whoever asked has the whole answer.
            call.end(error.code)
            suspicion: asyncio.Task[object] = asyncio.create_task(self._pool.suspect(lease))
            self._suspicions.add(suspicion)
            suspicion.add_done_callback(self._suspicions.discard)
            raise


@dataclass(slots=True)
class _Holding:
    """What a call holds until its answer has ended."""

    lease: Lease
    call: Call
    answer: Answer | None = None

    async def aclose(self) -> None:
        """Give all of it back."""
        try:
            if self.answer is not None:
                await self.answer.aclose()
        finally:
            self.call.end(CANCELLED)  # Unless it has ended before.
            self.lease.release()


def _has_it(expert: str) -> str:
    return f"{expert} has the request"


def _missing(expert: str, tail: bytes) -> bytes:
    """What a stream lacks at its end. Raises ExpertLost where it has broken off."""
    if _DONE.search(tail):
        return b""
    if not _FINISHED.search(tail):
        raise ExpertLost(f"Expert {expert} broke off its answer.", expert=expert)
    return _LAST_EVENT if tail.endswith(EVENT_ENDS) else b"\n\n" + _LAST_EVENT


async def _whole(expert: str, answer: Answer, request: Request) -> bytes:
    if request.operation != EMBEDDINGS:
        return await read_whole(
            expert, answer.content_type, answer.pieces, answer.secrets, choices_of(request.body)
        )
    content = await read_body(expert, answer.pieces)
    told = (expert, answer.content_type, content, inputs_of(request.body.get("input")))
    packed = request.body.get("encoding_format") not in (None, "float")
    # In a thread: there may be millions of numbers.
    await asyncio.to_thread(check_embeddings, *told, answer.secrets, packed=packed)
    return content


async def _blocks(
    expert: str, answer: Answer, attribution: TokenAttribution | None, request: Request
) -> AsyncIterator[bytes]:
    """The blocks of whole events of a stream. Raises the expert's error for anything else."""
    if not answer.content_type.startswith(EVENT_STREAM):
        # A server that does not stream may still have said why.
        await _whole(expert, answer, request)
        raise BadOutput(
            f"Expert {expert} sent {answer.content_type[:80]} instead of a stream.", expert=expert
        )
    if attribution is not None:
        return attribution.stream(answer.pieces)
    return whole_events(expert, answer.pieces)


def _counter(trace: Trace, call: Call, expert: str) -> Callable[[bytes], None]:
    """Notes the usage that is found in the pieces of one answer; a later one replaces it."""
    before = trace.usage.get(expert)

    def count(piece: bytes) -> None:
        if (usage := usage_in(piece)) is not None:
            call.usage = usage
            trace.usage[expert] = usage if before is None else before + usage

    return count
