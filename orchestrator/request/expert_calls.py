"""What aggregators and taggers call experts with: through the pool, within the budget."""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experts import engine as engines
from experts.engine import Answer, Engine
from experts.errors import (
    ExpertError,
    ExpertLost,
    ExpertOverloaded,
    ExpertPaused,
    ExpertRefused,
)
from experts.fused.roles import Fused, refuse_role_tokens, without_role_tokens
from experts.types import Chunk, Request, Usage
from experts.upstream.answers import choices_of, read_whole, usage_in
from orchestrator.config.model import CompositionConfig
from orchestrator.request.budget import Ledger
from orchestrator.request.context import RequestContext
from orchestrator.request.resilience.retries import Retries
from orchestrator.request.tracing.call import Call, code_of
from orchestrator.request.tracing.said import Said
from orchestrator.request.tracing.trace import Trace
from orchestrator.residency.expectations import Expectations
from orchestrator.residency.pool import ExpertPool, Lease
from routers.base import Encoder

CHARACTERS_PER_TOKEN = 4
"""About as many, where a server does not count; a piece of a stream is at least one."""
CHOOSING = "choosing an expert"
NO_RETRIES = Retries()
_PASSING = (ExpertLost, ExpertRefused, ExpertOverloaded, ExpertPaused)
Read = Callable[[Engine, Request, Callable[[Answer], None]], AsyncGenerator[Chunk, None]]
"""`engines.stream` or `engines.whole`."""


class ExpertCalls:
    """The `Ask` of one request."""

    def __init__(
        self,
        pool: ExpertPool,
        fused: Mapping[str, Fused],
        composition: CompositionConfig,
        context: RequestContext,
        trace: Trace,
        retries: Retries = NO_RETRIES,
        encoder: Callable[[], Encoder] | None = None,
        explained: int = 0,
    ) -> None:
        """`fused` are the pool's fused experts, by name; `retries` say what is tried again.

        An explanation has the first `explained` characters of what each expert says.
        """
        self._encoder = encoder
        ledger = Ledger(composition.budget, asyncio.get_running_loop().time())
        trace.budget_spent = ledger.hits
        deadline_s = composition.deadline_s
        patience_s = ledger.budget.seconds if deadline_s is None else deadline_s
        self.quorum = composition.quorum
        if context.patient:  # That an expert is loaded later is no reason to go on without it.
            ledger.ends = patience_s = math.inf
        self.deadline = min(ledger.started + patience_s, ledger.ends)
        self.on_progress: Callable[[str], None] = lambda words: None
        self._pool = pool
        self._request_class = context.request_class
        self._patient = context.patient
        self._trace = trace
        self._context = context
        self._ledger = ledger
        self._fused = fused
        self._retries = retries
        self._waiting: Counter[str] = Counter()
        self.expectations = Expectations(pool, context.request_class)
        self._explained = explained
        self._words = self._stage = ""

    async def __call__(
        self, expert: str, request: Request, *, whole: bool = False
    ) -> AsyncGenerator[Chunk, None]:
        """One expert's answer. Raises ExpertError; closing it aborts the generation.

        `whole`: as one chunk, unless a budget of tokens must be able to end it.

        RequestError where the client's own text spells a role token of a fused expert.

        Who fails before its first piece is asked again, `server.retries` times.
        """
        request = self._counted(expert, request)
        said = self._hearing(expert)
        failed = 0
        set_aside = self._ledger.set_aside(request) if whole else 0
        read = engines.whole if set_aside else engines.stream
        try:
            while True:
                begun = False
                try:
                    async with aclosing(self._once(expert, request, read)) as chunks:
                        async for chunk in chunks:
                            begun = True
                            if said is not None:
                                said.add(chunk.text)
                            yield chunk
                    return
                except ExpertError as error:
                    if said is not None:
                        said.error = error.code
                    failed += 1
                    if begun or not await self._may_try_again(expert, error, failed):
                        self._missed(error)
                        raise
        finally:
            self._ledger.put_back(set_aside)

    async def whole(self, expert: str, request: Request) -> bytes:
        """What the expert's server answers, unread: for what streams of text cannot tell.

        Raises ExpertError, and RequestError, as calling does; asks again as often.
        """
        request = self._counted(expert, request)
        failed = 0
        while True:
            try:
                return await self._whole_once(expert, request)
            except ExpertError as error:
                failed += 1
                if not await self._may_try_again(expert, error, failed):
                    self._missed(error)
                    raise

    def _hearing(self, expert: str) -> Said | None:
        """Where what it says is noted, if somebody wants to know."""
        if not self._context.options.explain:
            return None
        stage = CHOOSING if self._trace.plan is None else self._stage or "first answers"
        said = Said(expert, stage, self._explained)
        self._trace.said.append(said)
        return said

    async def _may_try_again(self, expert: str, error: ExpertError, failed: int) -> bool:
        """Whether a call is made once more, after the pause that it should have."""
        left_s = self._ledger.ends - asyncio.get_running_loop().time()
        ours = self._pool.is_hosted(expert)
        pause_s = self._retries.pause(error, failed, random.random(), ours=ours, left_s=left_s)
        if pause_s is None:
            return False
        self._trace.tries_again(expert, error.message)
        await asyncio.sleep(pause_s)
        return True

    def _missed(self, error: ExpertError) -> None:
        # What cannot be loaded will not be there in a moment, and waiting for it holds others up.
        if error.retryable and isinstance(error, _PASSING):
            self._trace.missed.append(error.message)

    def _counted(self, expert: str, request: Request) -> Request:
        """The request as it may be sent: within the budget, and without role tokens."""
        if (model := self._fused.get(expert)) is not None:
            refuse_role_tokens(self._context.request, model)
            request = without_role_tokens(request, model)
        request = self._ledger.call(expert, request)
        self._trace.calls[expert] += 1
        return request

    async def _whole_once(self, expert: str, request: Request) -> bytes:
        with self._noting(expert) as call, await self._lease(expert, call) as lease:
            asked = self._context.told(request, call.span_id)
            try:
                raw: bytes = await self._within(expert, self._read(lease, asked))
            except ExpertError as error:
                await self._pool.failed_early(lease, error)
                raise
            self._pool.succeeded(lease)
            call.started()
            call.usage = usage_in(raw)
        if (usage := call.usage) is not None:
            self._ledger.counted(0, usage.completion_tokens)
            self._trace.count(expert, usage)
        return raw

    async def _read(self, lease: Lease, request: Request) -> bytes:
        name = lease.engine.name
        async with aclosing(await lease.engine.open(request, name)) as answer:
            self._opened(answer)
            count = choices_of(request.body)
            return await read_whole(name, answer.content_type, answer.pieces, answer.secrets, count)

    async def _once(self, expert: str, request: Request, read: Read) -> AsyncGenerator[Chunk, None]:
        with self._noting(expert) as call, await self._lease(expert, call) as lease:
            asked = self._context.told(request, call.span_id)
            async with aclosing(read(lease.engine, asked, self._opened)) as chunks:
                pieces, characters, counted = 0, 0, False
                try:
                    while (chunk := await self._within(expert, anext(chunks, None))) is not None:
                        if call.first is None:
                            call.started()
                            self._pool.succeeded(lease)
                        pieces += bool(chunk.text)
                        characters += len(chunk.text)
                        self._ledger.arrived(expert, chunk)
                        if chunk.usage is not None:
                            self._ledger.counted(pieces, chunk.usage.completion_tokens)
                            self._trace.count(expert, chunk.usage)
                            call.usage, counted = chunk.usage, True
                        yield chunk
                    if not counted:
                        tokens = max(pieces, characters // CHARACTERS_PER_TOKEN)
                        self._ledger.counted(pieces, tokens)
                        self._estimate(expert, tokens)
                except ExpertError as error:
                    if call.first is None:
                        await self._pool.failed_early(lease, error)
                    elif isinstance(error, ExpertLost):
                        await self._pool.suspect(lease)
                    raise

    def _estimate(self, expert: str, tokens: int) -> None:
        """Of a server that counts none; the prompt is unknown."""
        self._trace.count(expert, Usage(0, tokens))
        known = self._trace.facts.setdefault("usage_estimated", [])
        if expert not in known:
            known.append(expert)

    def _opened(self, answer: Answer) -> None:
        self._trace.slot_wait_ms = max(self._trace.slot_wait_ms, answer.slot_wait_ms)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """Vectors of the texts, computed in a thread; None where there is no encoder."""
        if (encoder := self._encoder) is None:
            return None
        return await asyncio.to_thread(lambda: encoder().encode(list(texts)))

    def tell(self, words: str, **facts: Any) -> None:
        """Progress, and what an explanation will say of it: lists grow, the rest is replaced."""
        self._words = words
        if self._trace.plan is not None:  # A tagger is asked before there is one.
            self._stage = words
        for name, value in facts.items():
            known = self._trace.facts.get(name)
            self._trace.facts[name] = known + value if isinstance(known, list) else value
        self.on_progress(words)

    def doing(self) -> str:
        """A few words on what the answer waits for."""
        waits = [self._pool.doing(expert) for expert in self._waiting]
        return "; ".join([self._words or CHOOSING, *waits])

    @contextmanager
    def _noting(self, expert: str) -> Iterator[Call]:
        """A call, in the trace."""
        call = self._trace.begins(expert, self._context.identity)
        try:
            yield call
        except BaseException as error:
            call.end(code_of(error))
            raise
        finally:
            call.end()

    async def _lease(self, expert: str, call: Call) -> Lease:
        self._waiting[expert] += 1
        started = time.perf_counter()
        try:
            stage = self.expectations.asks(expert)
            taking = self._pool.lease(expert, self._request_class, stage, patient=self._patient)
            lease: Lease = await self._within(expert, taking)
        except BaseException:
            # Whoever gives up has waited, too.
            waited_ms = 1000 * (time.perf_counter() - started)
            self._trace.queue_ms = max(self._trace.queue_ms, waited_ms)
            raise
        finally:
            self._waiting[expert] -= 1
            if not self._waiting[expert]:
                del self._waiting[expert]
        self._trace.queue_ms = max(self._trace.queue_ms, lease.queue_ms)
        self._trace.load_ms = max(self._trace.load_ms, lease.load_ms)
        call.leased(lease.queue_ms, lease.load_ms, lease.slot)
        return lease

    async def _within(self, expert: str, step: Any) -> Any:
        """A step of a call, if the budget's time suffices for it. Raises BudgetSpent."""
        try:
            async with asyncio.timeout_at(self._ledger.ends) as limit:
                return await step
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise self._ledger.spent(expert, "seconds") from error
