"""The path of a request that several experts score together: ask each of them, mix, answer."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aggregators.base import Panel
from aggregators.failures import all_failed_error, failure_reason
from aggregators.likelihood.answers import ScoredText, choices_of, mixed_texts, read
from aggregators.likelihood.likelihood import CAN, Likelihood, prompts_in
from experts.errors import ExpertError, RequestError
from experts.openai_format import JSON, counted
from experts.types import Request
from orchestrator.request.answer import NO_BYTES, StartedAnswer
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
        """The whole answer. An expert that fails is left out and listed, as in other panels.

        Raises ExpertError where all fail, or one of those that are all required; RequestError for
        everything but a request to score texts, or where two experts read a text as different
        tokens.
        """
        asked, weights = self.check(context)
        weight_of = dict(zip(self.members, weights, strict=True))
        trace.aggregating = time.perf_counter()
        trace.plan = _plan(self.members, weights, self._name)
        required = self._aggregator.require_all
        raw = await _ask(self.members, asked, calls, required=required)
        # In a thread: it is a sum for every token, and other requests wait meanwhile.
        found = await asyncio.to_thread(_mixed, weight_of, raw, context.request.body, required)
        choices, undecided, failures = found
        used = {name: weight for name, weight in weight_of.items() if name not in failures}
        if failures:
            calls.tell(
                f"{len(failures)} of {len(raw)} failed",
                failed=[failure_reason(error) for error in failures.values()],
            )
        calls.tell("scored", weights=used, undecided=undecided)
        tree = {
            "id": context.id,
            "object": "text_completion",
            "created": int(time.time()),
            "model": context.model,
            "choices": choices,
            "usage": counted(trace.total_usage),
        }
        return StartedAnswer(JSON, json.dumps(tree).encode(), NO_BYTES)

    def check(self, context: RequestContext) -> tuple[Request, tuple[float, ...]]:
        """What each member is asked, and its weight. Raises RequestError."""
        if context.options.demands_tokens:
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


async def _ask(
    members: Sequence[str], asked: Request, calls: ExpertCalls, *, required: bool
) -> dict[str, bytes | ExpertError]:
    """Every expert's answer, or its error.

    Where all are required, the first error ends the others' calls, and is raised.
    """

    async def one(expert: str) -> bytes | ExpertError:
        try:
            return await calls.whole(expert, asked)
        except ExpertError as error:
            if required:
                raise
            return error

    tasks = [asyncio.create_task(one(expert)) for expert in members]
    try:
        return dict(zip(members, await asyncio.gather(*tasks), strict=True))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _mixed(
    weights: Mapping[str, float],
    raw: Mapping[str, bytes | ExpertError],
    body: Any,
    required: bool,
) -> tuple[list[dict[str, Any]], int, dict[str, ExpertError]]:
    """The choices, at how many places the most probable token is not certain, and who failed.

    Raises ExpertError where nobody is left.
    """
    prompts = prompts_in(body)
    texts: dict[str, list[ScoredText]] = {}
    failures: dict[str, ExpertError] = {}
    for expert, answer in raw.items():
        try:
            if isinstance(answer, ExpertError):
                raise answer
            texts[expert] = read(expert, answer, prompts)
        except ExpertError as error:
            if required:
                raise
            failures[expert] = error
    if not texts:
        raise all_failed_error(list(failures.values()))
    mixtures = mixed_texts(texts, [weights[expert] for expert in texts], body["max_tokens"])
    undecided = sum(mixture.undecided for mixture in mixtures)
    return choices_of(texts, mixtures, body["logprobs"]), undecided, failures
