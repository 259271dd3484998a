"""A composition as a subject: its router, plan and aggregator are the service's own."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from aggregators.base import Ask
from evals.client.progress import Progress
from evals.runs.asking.asker import Asker
from evals.runs.questions import Asked
from evals.runs.record import Routed
from evals.runs.subjects.calls import RowCalls, why
from evals.runs.subjects.given import Given, together
from experts.errors import ExpertError, RequestError, RoutingError
from experts.fused.roles import Fused, in_role
from experts.types import Request
from orchestrator.request.compositions import Composition, aggregator_of
from orchestrator.request.plan import Abstain, AskExpert, Plan, plan_decision, tradeoff_of
from orchestrator.request.tagging import tagged, tagging_of
from orchestrator.request.tracing.trace import Trace
from routers.base import Decision, Encoder, Router

ROUTED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Parts:
    """What all compositions of a pool share."""

    prices: Mapping[str, float]
    """Expert -> USD of a million tokens, of every expert of the pool."""
    fused: Mapping[str, Fused]
    encoder: Callable[[], Encoder]


class CompositionSubject:
    """Answers as the service would, less what its slots and its clients' feedback change."""

    kind: Literal["expert", "composition"] = "composition"

    def __init__(self, name: str, composition: Composition, router: Router, parts: Parts) -> None:
        self.name = name
        self._composition = composition
        self._router = router
        self._parts = parts
        self._tagging = tagging_of(router)
        self._decisions: dict[str, Decision] = {}

    async def prepare(self, rows: Sequence[Asked], progress: Progress) -> None:
        """Route all questions, unless a tagger has to be asked for their skills before."""
        if self._tagging is None:
            requests = [row.request for row in rows]
            decisions = await self._route(requests, progress)
            self._decisions = {r.id: d for r, d in zip(requests, decisions, strict=True)}

    async def plans(
        self, rows: Sequence[Asked], progress: Progress
    ) -> list[tuple[Plan | None, Composition]]:
        """Of each question, without asking anybody: a router does without its tagger here.

        None where there is no plan.
        """
        if self._decisions:
            decisions = [self._decisions[row.request.id] for row in rows]
        else:
            decisions = await self._route([row.request for row in rows], progress)
        plans: list[tuple[Plan | None, Composition]] = []
        for decision in decisions:
            try:
                plans.append((self._plan(decision), self._composition))
            except RoutingError:
                plans.append((None, self._composition))
        return plans

    async def tags(self, row: Asked, ask: Ask) -> None:
        """Ask the tagger about a question, if there is one."""
        if self._tagging is not None:
            await tagged(row.request, self._tagging, Trace(), ask)

    async def answers(
        self, rows: Sequence[Asked], asker: Asker, progress: Progress, done: Callable[[], None]
    ) -> list[Given]:
        """Of every question, all at once. Raises what is no fault of one question."""
        ways = [self._calls(asker) for _ in rows]
        if self._tagging is None:
            decisions = [self._decisions[row.request.id] for row in rows]
        else:
            requests = await together([self._tagged(*one) for one in zip(rows, ways, strict=True)])
            decisions = await self._route(requests, progress)
        whole = zip(rows, decisions, ways, strict=True)
        return await together([self._answer(*one, done) for one in whole])

    def _calls(self, asker: Asker) -> RowCalls:
        budget = self._composition.config.budget
        return RowCalls(asker, self._parts.fused, self._parts.encoder, budget)

    async def _tagged(self, row: Asked, calls: RowCalls) -> Request:
        assert self._tagging is not None
        return await tagged(row.request, self._tagging, Trace(), calls)

    async def _route(self, requests: Sequence[Request], progress: Progress) -> list[Decision]:
        found: list[Decision] = []
        for start in range(0, len(requests), ROUTED_AT_ONCE):
            text = f"{self.name}: routing question {start + 1} of {len(requests)}"
            progress.doing(text, start, len(requests))
            batch = requests[start : start + ROUTED_AT_ONCE]
            found += await asyncio.to_thread(self._router.route, batch)
        return found

    async def _answer(
        self, row: Asked, decision: Decision, calls: RowCalls, done: Callable[[], None]
    ) -> Given:
        plan: Plan | None = None
        text, error = "", None
        try:
            plan = self._plan(decision)
            text = await self._said(row.request, plan, calls)
        except (ExpertError, RequestError, RoutingError) as failure:
            error = why(failure)
        done()
        said = [one for one in calls.said if one.request.query == row.request.query]
        given = Given(self.name, row, text, calls.spent, error, said=said)
        return given if plan is None else _explained(given, plan, decision, calls)

    def _plan(self, decision: Decision) -> Plan:
        """The plan in a pool where everybody is ready."""
        named = [*(name for name, _ in decision.scores), *decision.panel]
        if unknown := [name for name in named if name not in self._parts.prices]:
            raise RoutingError(f"Router {decision.router} chose {unknown[0]!r}, which is unknown.")
        tradeoff = replace(tradeoff_of(self._composition.config), load_price=0.0)
        rules = self._composition.rules
        return plan_decision(decision, tradeoff, prices=self._parts.prices, rules=rules)

    async def _said(self, request: Request, plan: Plan, calls: RowCalls) -> str:
        action = plan.action
        if isinstance(action, Abstain):
            return action.message
        if isinstance(action, AskExpert):
            return (await calls.once(action.expert, in_role(request, action.role))).text
        aggregator = aggregator_of(self._composition, action)
        chunks = aggregator.aggregate(request, action.panel, calls)
        return "".join([chunk.text async for chunk in chunks])


def _explained(given: Given, plan: Plan, decision: Decision, calls: RowCalls) -> Given:
    """The answer with who was chosen and how sure that was."""
    scores = dict(decision.scores)
    routed = Routed(
        router=decision.router,
        scores=scores,
        panel=plan.panel.experts if plan.panel is not None else (),
        reason=plan.reason,
        fallback=decision.fallback,
    )
    given = replace(given, routed=routed)
    if isinstance(plan.action, AskExpert):
        expert = plan.action.expert
        return replace(given, expert=expert, confidence=_share(scores.get(expert)))
    if len(calls.said) == 1 and given.error is None:  # One member was enough, or left.
        given = replace(given, expert=calls.said[0].expert)
    facts = calls.facts
    if steps := facts.get("cascade"):
        taken = [step for step in steps if step["taken"]]
        sure = _share(taken[-1]["confidence"]) if taken else None
        last = calls.said[-1].expert if calls.said and given.error is None else None
        return replace(given, expert=last, confidence=sure)
    if votes := facts.get("votes"):
        total = sum(votes.values())
        return replace(given, confidence=_share(max(votes.values()) / total if total else None))
    return given


def _share(value: float | None) -> float | None:
    return None if value is None else min(1.0, max(0.0, float(value)))
