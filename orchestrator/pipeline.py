"""One request, top to bottom: resolve the name, route, plan, lease, ask, hand on the bytes."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from experts.errors import ExpertError, ExpertLost, ExpertTimeout, UnknownModel
from experts.types import Request
from orchestrator.config import Config
from orchestrator.plan import Plan, plan_decision, plan_expert
from orchestrator.pool import ExpertPool, Lease
from orchestrator.routing import RoutingQueue
from orchestrator.trace import Trace
from routers.base import Router


@dataclass(frozen=True, slots=True)
class Answer:
    """An expert's answer that has begun: the first bytes are here, the rest follows.

    For a request without `stream`, `first` is the whole body.
    """

    trace: Trace
    content_type: str
    first: bytes
    rest: AsyncIterator[bytes]


class Pipeline:
    """Answers requests with the experts and compositions of one configuration."""

    def __init__(self, config: Config, pool: ExpertPool, routers: Mapping[str, Router]) -> None:
        self._config = config
        self._pool = pool
        self._queues = {name: RoutingQueue(router) for name, router in routers.items()}
        self._suspicions: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def answer(self, request: Request, trace: Trace) -> AsyncIterator[Answer]:
        """Ask the expert that `trace.model` means; leaving the context aborts what is unfinished.

        `trace` fills up on the way, also when this raises. An expert that fails before its first
        byte is asked again, `server.retries` times; a failure after that is raised by
        `Answer.rest`. Raises ExpertError, UnknownModel, RoutingError.
        """
        plan = await self.decide(request, trace)
        async with AsyncExitStack() as stack:
            yield await self._ask(request, trace, plan.expert, stack)

    async def decide(self, request: Request, trace: Trace) -> Plan:
        """Route and plan without asking anyone. Raises UnknownModel, RoutingError."""
        trace.plan = await self._plan(request, trace)
        return trace.plan

    async def _plan(self, request: Request, trace: Trace) -> Plan:
        if trace.model in self._config.experts:
            return plan_expert(trace.model)
        composition = self._config.compositions.get(trace.model)
        if composition is None:
            known = ", ".join([*self._config.compositions, *self._config.experts])
            raise UnknownModel(
                f"The model `{trace.model}` does not exist.",
                hint=f"Known models: {known}.",
                param="model",
            )
        started = time.perf_counter()
        trace.decision = await self._queues[composition.router].route(request)
        trace.route_ms = 1000 * (time.perf_counter() - started)
        return plan_decision(trace.decision)

    async def _ask(
        self, request: Request, trace: Trace, expert: str, stack: AsyncExitStack
    ) -> Answer:
        retries = self._config.server.retries
        while True:
            trace.attempts += 1
            attempt = AsyncExitStack()
            lease: Lease | None = None
            try:
                lease = await self._lease(expert, trace, attempt)
                answer = await self._begin(request, trace, lease, attempt)
            except ExpertError as error:
                await attempt.aclose()
                # Who was silent for minutes would be so again.
                if lease is None or not error.retryable or isinstance(error, ExpertTimeout):
                    raise
                await self._pool.suspect(lease)
                if trace.attempts > retries:
                    raise
                trace.retried.append(error.message)
            except BaseException:
                await attempt.aclose()
                raise
            else:
                stack.push_async_exit(attempt)
                return answer

    async def _lease(self, expert: str, trace: Trace, attempt: AsyncExitStack) -> Lease:
        lease = await attempt.enter_async_context(self._pool.lease(expert))
        trace.queue_ms += lease.queue_ms
        trace.load_ms += lease.load_ms
        trace.slot = lease.slot
        return lease

    async def _begin(
        self, request: Request, trace: Trace, lease: Lease, attempt: AsyncExitStack
    ) -> Answer:
        engine = lease.engine
        response = await attempt.enter_async_context(engine.open(request, trace.model))
        content_type = response.headers.get("content-type", "application/json")
        pieces = engine.raw(response)
        if not request.stream:
            body = b"".join([piece async for piece in pieces])
            return Answer(trace, content_type, body, _nothing())
        first = await anext(pieces, None)
        if first is None:
            raise ExpertLost(f"Expert {engine.name} sent no answer.", expert=engine.name)
        return Answer(trace, content_type, first, self._watched(pieces, lease))

    async def _watched(self, pieces: AsyncIterator[bytes], lease: Lease) -> AsyncIterator[bytes]:
        """The rest of a stream; if it breaks, the pool learns which slot to look at."""
        try:
            async for piece in pieces:
                yield piece
        except ExpertError:
            suspicion = asyncio.create_task(self._pool.suspect(lease))
            self._suspicions.add(suspicion)
            suspicion.add_done_callback(self._suspicions.discard)
            raise


async def _nothing() -> AsyncIterator[bytes]:
    empty: tuple[bytes, ...] = ()
    for piece in empty:
        yield piece
