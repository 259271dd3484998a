"""Decides for one request of a composition: tags, routes, learns, plans."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aggregators.base import most_calls
from orchestrator.config.model import Config
from orchestrator.request.availability import without_failed
from orchestrator.request.compositions import Composition, aggregator_of
from orchestrator.request.context import RequestContext
from orchestrator.request.expert_calls import ExpertCalls
from orchestrator.request.feedback import Feedback
from orchestrator.request.plan import (
    NOTHING,
    AskExpert,
    AskPanel,
    AskSecondOpinion,
    Plan,
    Tradeoff,
    plan_decision,
    prices_of,
    tradeoff_of,
)
from orchestrator.request.routing_queue import RoutingQueue
from orchestrator.request.tagging import tagged, tagging_of
from orchestrator.request.terms.images import image_takers, with_images
from orchestrator.request.tracing.trace import Trace
from orchestrator.residency.pool import ExpertPool
from routers.base import Decision, Router, Tagging


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What is known of an answer before it is made."""

    calls: Counter[str]
    """All that may be asked, each how often at most."""
    decision: Decision | None = None
    """Of the router, where it stays the same."""


@dataclass(frozen=True, slots=True)
class Considered:
    """A decision of which nobody is asked."""

    decision: Decision
    tradeoff: Tradeoff
    """Of the composition."""
    plan: Callable[[Tradeoff], Plan]
    """What would be done, were price and waiting worth that much."""


def calls_of(plan: Plan, composition: Composition) -> Counter[str]:
    """How often a plan asks each expert at most; nobody where the router abstains."""
    if not isinstance(plan.action, AskPanel | AskSecondOpinion):
        return Counter([plan.expert] if plan.expert else [])
    bound = composition.config.budget.calls
    asked = most_calls(aggregator_of(composition, plan.action), plan.action.panel)
    return Counter({expert: min(count, bound) for expert, count in asked.items()})


class Decider:
    """The routers of a configuration, and what else a decision depends on."""

    def __init__(
        self, config: Config, pool: ExpertPool, routers: Mapping[str, Router], feedback: Feedback
    ) -> None:
        self._experts = tuple(config.answering)
        self._pool = pool
        self._feedback = feedback
        self._prices = prices_of(config)
        self._image_takers = image_takers(config)
        self.routers: dict[str, Router] = {}
        self._queues: dict[str, RoutingQueue] = {}
        self._tagging: dict[str, Tagging | None] = {}
        for name, router in routers.items():
            self.replace(name, router)

    def replace(self, name: str, router: Router) -> None:
        """Let another router decide from now on; what waits is still decided by the old one."""
        self.routers[name] = router
        self._queues[name] = RoutingQueue(router, self._experts)
        self._tagging[name] = tagging_of(router)

    async def decide(
        self,
        context: RequestContext,
        trace: Trace,
        composition: Composition,
        calls: Callable[[], ExpertCalls],
    ) -> Plan:
        """The plan for a request; writes the decision, and how long it took, into the trace.

        `calls` makes what a tagger is called with. Raises RoutingError, and
        RequestError for images that no expert takes.
        """
        router = composition.config.router
        started = time.perf_counter()
        request = context.request
        tagging, asked = self._tagging[router], None
        if tagging is None:
            decision = self._foreseen(context) or await self._queues[router].route(request)
        else:
            with calls().expectations.choosing():
                request = await tagged(request, tagging, trace, calls())
                decision = await self._queues[router].route(request)
        if request.has_images:
            decision = with_images(decision, self._image_takers, context.model)
        failed = self._pool.out_of_reach
        if composition.configured:
            # Whoever learns draws among those that can answer; the plan names the others.
            able, _ = without_failed(decision, failed)
            drawn, asked = self._feedback.choose(context.model, able, request)
            decision = drawn if asked is not None else decision
        trace.decision, trace.decided = decision, time.perf_counter()
        trace.route_ms = 1000 * (trace.decided - started)
        plan = self._plan(decision, composition, failed)
        if composition.configured and plan.panel is None and plan.expert is not None:
            self._feedback.remember(
                context.model, request, plan.expert, asked, context.api_key_name
            )
        return plan

    def _foreseen(self, context: RequestContext) -> Decision | None:
        """What was decided before; nothing where one that it names has left the pool since."""
        decision = context.decision
        if decision is None or not {name for name, _ in decision.scores} <= set(self._experts):
            return None
        return decision

    def instead(
        self,
        context: RequestContext,
        trace: Trace,
        composition: Composition,
        failed: Mapping[str, str],
    ) -> Plan | None:
        """Whom to ask in place of those that have failed, by the decision that was made.

        None where nobody is left that can answer.
        """
        assert trace.decision is not None, "it has been decided"
        unable = {**self._pool.out_of_reach, **failed}
        plan = self._plan(trace.decision, composition, unable)
        if not isinstance(plan.action, AskExpert) or plan.action.expert in unable:
            return None
        if composition.configured:
            # Nobody has drawn this one: its scores are kept, but nothing is learned from them.
            expert, key = plan.action.expert, context.api_key_name
            self._feedback.remember(context.model, context.request, expert, None, key)
        return plan

    async def foresee(self, context: RequestContext, composition: Composition) -> Foreseen:
        """Who will be asked, as far as it can be known before anybody is. Raises RoutingError.

        Where a tagger is asked first, the decision may become another one, and is not told.
        """
        router = composition.config.router
        decision = await self._queues[router].route(context.request)
        if context.request.has_images:
            decision = with_images(decision, self._image_takers, context.model)
        plan = self._plan(decision, composition, self._pool.out_of_reach)
        tagging = self._tagging[router]
        calls = Counter({tagging.expert: tagging.samples} if tagging is not None else {})
        calls += calls_of(plan, composition)
        return Foreseen(calls, decision if tagging is None else None)

    async def consider(self, context: RequestContext, composition: Composition) -> Considered:
        """Who would be asked, for people who look. Raises RoutingError."""
        decision = await self._queues[composition.config.router].route(context.request)
        failed = self._pool.out_of_reach

        def plan(tradeoff: Tradeoff) -> Plan:
            return self._plan(decision, composition, failed, tradeoff)

        return Considered(decision, tradeoff_of(composition.config), plan)

    def _plan(
        self,
        decision: Decision,
        composition: Composition,
        failed: Mapping[str, str],
        tradeoff: Tradeoff | None = None,
    ) -> Plan:
        tradeoff = tradeoff or tradeoff_of(composition.config)
        names = [expert for expert, _ in decision.scores]
        delays = (
            {name: self._pool.delay_s(name) for name in names} if tradeoff.load_price else NOTHING
        )
        rules = composition.rules
        return plan_decision(decision, tradeoff, delays, self._prices, rules, failed)
