"""The path of a request that several experts score together: ask each of them, mix, answer."""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from aggregators.base import Panel
from aggregators.likelihood.answers import choices_of, mixed_texts, read
from aggregators.likelihood.likelihood import CAN, Likelihood, prompts_in
from experts.errors import RequestError
from experts.openai_format import JSON, counted
from experts.types import Request
from orchestrator.request.answer import StartedAnswer, no_bytes
from orchestrator.request.compositions import Composition
from orchestrator.request.context import RequestContext
from orchestrator.request.expert_calls import ExpertCalls
from orchestrator.request.plan import AskPanel, PanelRules, Plan
from orchestrator.request.tracing.trace import Trace


class Scoring:
    """Scores texts by a mixture of the experts that an aggregator names; no router is asked."""

    def __init__(self, aggregator: Likelihood, rules: PanelRules) -> None:
        self.members = tuple(dict.fromkeys(rules.named))
        self._aggregator = aggregator
        self._name = rules.aggregator

    async def answer(
        self, context: RequestContext, trace: Trace, calls: ExpertCalls
    ) -> StartedAnswer:
        """The whole answer. An expert that fails is an error: the others are another model.

        Raises ExpertError, and RequestError for everything but a request to score texts, or where
        two experts read a text as different tokens.
        """
        asked, weights = self.check(context)
        members = self.members
        trace.plan = _plan(members, weights, self._name)
        raw = await _ask(members, asked, calls)
        # In a thread: it is a sum for every token, and other requests wait meanwhile.
        choices, undecided = await asyncio.to_thread(
            _mixed, members, weights, raw, context.request.body
        )
        calls.tell("scored", weights=dict(zip(members, weights, strict=True)), undecided=undecided)
        tree = {
            "id": context.id,
            "object": "text_completion",
            "created": int(time.time()),
            "model": context.model,
            "choices": choices,
            "usage": counted(trace.total_usage),
        }
        return StartedAnswer(JSON, json.dumps(tree).encode(), no_bytes(), AsyncExitStack())

    def check(self, context: RequestContext) -> tuple[Request, tuple[float, ...]]:
        """What each member is asked, and its weight. Raises RequestError."""
        if context.options.tokens:
            raise RequestError(
                f"Several experts score together here. {CAN}", param="coterie.tokens"
            )
        if isinstance(context.options.experts, int):
            raise RequestError(
                "A mixture is of experts that are named, not of a number of them.",
                param="coterie.experts",
            )
        weights = self._aggregator.weights(self.members)
        return self._aggregator.asked(context.request), weights


def scoring_of(composition: Composition) -> Scoring | None:
    """How a composition scores texts, if that is what it does."""
    if isinstance(composition.aggregator, Likelihood) and composition.rules is not None:
        return Scoring(composition.aggregator, composition.rules)
    return None


def _plan(members: tuple[str, ...], weights: Sequence[float], aggregator: str) -> Plan:
    named = ", ".join(f"{w:g} x {name}" for name, w in zip(members, weights, strict=True))
    return Plan(AskPanel(Panel(members), aggregator), f"The mixture of {named}.", members[0])


async def _ask(members: Sequence[str], asked: Request, calls: ExpertCalls) -> list[bytes]:
    """Every expert's answer; the first failure ends the others' calls."""
    tasks = [asyncio.create_task(calls.whole(expert, asked)) for expert in members]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _mixed(
    members: Sequence[str], weights: Sequence[float], raw: Sequence[bytes], body: Any
) -> tuple[list[dict[str, Any]], int]:
    """The choices of the answer, and at how many places the most probable token is not certain."""
    prompts = prompts_in(body)
    texts = {
        expert: read(expert, answer, prompts) for expert, answer in zip(members, raw, strict=True)
    }
    mixtures = mixed_texts(texts, weights, body["max_tokens"])
    undecided = sum(mixture.undecided for mixture in mixtures)
    return choices_of(texts, mixtures, body["logprobs"]), undecided
