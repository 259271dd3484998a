"""One request, top to bottom: resolve the name, route, plan, lease, ask, hand on the bytes."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from experts.errors import (
    ExpertError,
    ExpertLost,
    ExpertTimeout,
    RequestError,
)
from experts.fused.roles import fused, in_role, refuse_role_tokens
from experts.openai_format import OpenAIFormat, format_answer
from experts.types import Request
from orchestrator.config.model import Config
from orchestrator.request.budget import Ledger
from orchestrator.request.compositions import Composition, Compositions
from orchestrator.request.expert_calls import ExpertCalls
from orchestrator.request.feedback import Feedback
from orchestrator.request.panel_answer import PanelAnswer, nothing, refuse_uncomposable
from orchestrator.request.plan import (
    NOTHING,
    Plan,
    plan_decision,
    plan_expert,
    policy_of,
    prices_of,
)
from orchestrator.request.routing_queue import RoutingQueue
from orchestrator.request.tagging import tagged, tagging_of
from orchestrator.request.token_attribution import TokenAttribution
from orchestrator.request.trace import Trace
from orchestrator.residency.pool import ExpertPool, Lease
from orchestrator.store import MemoryStore
from routers.base import Router


@dataclass(frozen=True, slots=True)
class Answer:
    """An expert's answer that has begun: the first bytes are here, the rest follows.

    For a request without `stream`, `first` is the whole body. Leaving the context aborts what is
    unfinished and gives the lease back.
    """

    trace: Trace
    content_type: str
    first: bytes
    rest: AsyncIterator[bytes]
    held: AsyncExitStack
    """What leaving gives back."""

    async def __aenter__(self) -> "Answer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.held.aclose()


class Pipeline:
    """Answers requests with the experts and compositions of one configuration."""

    def __init__(
        self,
        config: Config,
        pool: ExpertPool,
        routers: Mapping[str, Router],
        feedback: Feedback | None = None,
    ) -> None:
        """`feedback` is what learns from clients; by default one that forgets with the process."""
        self.feedback = feedback or Feedback(config, MemoryStore())
        self._config = config
        self._pool = pool
        self._queues = {name: RoutingQueue(router) for name, router in routers.items()}
        self._suspicions: set[asyncio.Task[None]] = set()
        self._tagging = {name: tagging_of(router) for name, router in routers.items()}
        self._compositions = Compositions(config)
        self._prices = prices_of(config)
        models = {name: fused(spec.model) for name, spec in config.hosted().items()}
        self._fused = {name: model for name, model in models.items() if model is not None}

    async def answer(self, request: Request, trace: Trace) -> Answer:
        """Ask the expert that `trace.model` means; the answer is a context that must be left.

        `trace` fills up on the way, also when this raises. An expert that fails before its first
        byte is asked again, `server.retries` times; a failure after that is raised by
        `Answer.rest`. Raises ExpertError, UnknownModel, RoutingError, and RequestError for a text
        that a fused expert must not read.
        """
        composition = self._composition(request, trace)
        ask = self._asker(composition, trace)
        plan = await self._decide(request, trace, composition, ask)
        if plan.abstains:
            return _abstention(request, trace, plan)
        if plan.aggregator is not None:
            return await self._compose(request, trace, plan, ask)
        request = in_role(request, plan.role)
        insight = self._check_fused(request, trace, plan.expert)
        while True:
            trace.attempts += 1
            trace.asked = False
            lease = await self._lease(plan.expert, trace)
            trace.asked = True
            try:
                return await self._begin(request, trace, lease, insight)
            except ExpertError as error:
                # Who was silent for minutes would be so again.
                if not error.retryable or isinstance(error, ExpertTimeout):
                    raise
                await self._pool.suspect(lease)
                if trace.attempts > self._config.server.retries:
                    raise
                trace.retried.append(error.message)

    def _composition(self, request: Request, trace: Trace) -> Composition | None:
        """What the model's name means, where it is no expert's. Raises RequestError."""
        if trace.model in self._config.experts:
            if trace.options.recomposes:
                raise RequestError(
                    f"{trace.model} is one expert: ask a composition to choose more.",
                    param="coterie",
                )
            return None
        composition = self._compositions.find(trace.model, trace.options)
        if composition.together is not None:
            refuse_uncomposable(request)
        return composition

    def _asker(self, composition: Composition | None, trace: Trace) -> ExpertCalls | None:
        if composition is None:
            return None
        keys = composition.config
        ledger = Ledger(keys.budget, asyncio.get_running_loop().time())
        retries = self._config.server.retries
        ask = ExpertCalls(
            self._pool, trace, ledger, self._fused, retries, keys.quorum, keys.deadline_s
        )
        trace.doing = ask.doing
        return ask

    async def _compose(
        self, request: Request, trace: Trace, plan: Plan, ask: ExpertCalls | None
    ) -> Answer:
        """Let several experts answer together; when this raises, nothing is held."""
        assert plan.aggregator is not None
        assert plan.panel is not None
        assert ask is not None
        refuse_uncomposable(request)
        if trace.options.tokens:
            raise RequestError("Several experts answer together here.", param="coterie.tokens")
        composed = PanelAnswer(request, trace, ask, self._config.server)
        held = AsyncExitStack()
        try:
            first, rest = await composed.begin(plan.aggregator, plan.panel, held)
        except BaseException:
            await held.aclose()
            raise
        return Answer(trace, composed.content_type, first, rest, held)

    def _check_fused(self, request: Request, trace: Trace, expert: str) -> TokenAttribution | None:
        """What a fused expert asks of a request. Raises RequestError."""
        model = self._fused.get(expert)
        if model is not None:
            refuse_role_tokens(request, model)
        if not trace.options.tokens:
            return None
        if model is None:
            raise RequestError(
                f"Expert {expert} is not fused: one model speaks at every token.",
                param="coterie.tokens",
            )
        return TokenAttribution(model, request)

    def replace(self, name: str, router: Router) -> None:
        """Let another router decide from now on; what waits is still decided by the old one."""
        self._queues[name] = RoutingQueue(router)
        self._tagging[name] = tagging_of(router)

    async def decide(self, request: Request, trace: Trace) -> Plan:
        """Route and plan without asking anyone but a tagger. Raises UnknownModel, RoutingError."""
        composition = self._composition(request, trace)
        return await self._decide(request, trace, composition, self._asker(composition, trace))

    async def _decide(
        self,
        request: Request,
        trace: Trace,
        composition: Composition | None,
        ask: ExpertCalls | None,
    ) -> Plan:
        if composition is None or ask is None:
            trace.plan = plan_expert(trace.model)
        else:
            trace.plan = await self._plan(request, trace, composition, ask)
        return trace.plan

    def doing(self, trace: Trace) -> str:
        """A few words for a client whose answer has not begun."""
        if trace.plan is None:
            return "choosing an expert"
        if trace.plan.aggregator is not None and trace.doing is not None:
            return trace.doing()
        if trace.asked:
            return f"{trace.plan.expert} has the request"
        return self._pool.doing(trace.plan.expert)

    async def _plan(
        self, request: Request, trace: Trace, composition: Composition, ask: ExpertCalls
    ) -> Plan:
        keys = composition.config
        started = time.perf_counter()
        tagging = self._tagging[keys.router]
        if tagging is not None:
            request = await tagged(request, tagging, trace, ask)
        trace.decision = await self._queues[keys.router].route(request)
        trace.route_ms = 1000 * (time.perf_counter() - started)
        asked = None
        if composition.configured:
            trace.decision, asked = self.feedback.choose(trace.model, trace.decision, request)
        decision = trace.decision
        policy = policy_of(keys)
        names = [expert for expert, _ in trace.decision.scores]
        delays = (
            {name: self._pool.delay_s(name) for name in names} if policy.load_price else NOTHING
        )
        plan = plan_decision(decision, policy, delays, self._prices, composition.together)
        if plan.aggregator is None and composition.configured:
            self.feedback.remember(trace.model, request, plan.expert, asked)
        return plan

    async def _lease(self, expert: str, trace: Trace) -> Lease:
        lease = await self._pool.lease(expert, trace.request_class)
        trace.queue_ms += lease.queue_ms
        trace.load_ms += lease.load_ms
        trace.slot = lease.slot
        return lease

    async def _begin(
        self, request: Request, trace: Trace, lease: Lease, insight: TokenAttribution | None
    ) -> Answer:
        """Send the request; when this raises, the lease has been given back."""
        held = AsyncExitStack()
        held.enter_context(lease)
        try:
            asked = insight.request if insight else request
            response = await lease.engine.open(asked, trace.model)
            held.push_async_callback(response.aclose)
            kind = response.headers.get("content-type", "application/json")
            pieces = lease.engine.raw(response)
            if insight and request.stream:
                pieces = insight.stream(pieces)
            rest = self._watched(pieces, lease)
            if request.stream:
                first = await anext(pieces, b"")
                if not first:
                    name = lease.engine.name
                    raise ExpertLost(f"Expert {name} sent no answer.", expert=name)
            else:
                first = b"".join([piece async for piece in pieces])
                first = insight.whole(first) if insight else first
            return Answer(trace, kind, first, rest, held)
        except BaseException:
            await held.aclose()
            raise

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


def _abstention(request: Request, trace: Trace, plan: Plan) -> Answer:
    text = format_answer(request, trace.model, plan.abstains)
    kind = OpenAIFormat(request, trace.model).content_type
    return Answer(trace, kind, text, nothing(), AsyncExitStack())
