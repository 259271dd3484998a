"""Which experts the requests of a batch call, and how often at most. Pure but for the routers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from experts.types import Request
from orchestrator.cli.plan.batch_file import BatchLine
from orchestrator.cli.route import make_router
from orchestrator.config.model import Config
from orchestrator.request.compositions import Composition
from orchestrator.request.decider import calls_of
from orchestrator.request.embedding.own import EMBEDDING_MODEL
from orchestrator.request.likelihood_answer import scoring_of
from orchestrator.request.plan import plan_decision, prices_of, tradeoff_of
from orchestrator.request.routing_queue import MAX_BATCH
from orchestrator.request.tagging import tagging_of
from orchestrator.request.terms.images import image_takers, with_images
from routers.base import Decision, Router

Calls = Counter[str]
"""How often each expert is called."""


def forecast_calls(lines: Sequence[BatchLine], config: Config) -> list[Calls]:
    """The calls of each line, in their order; routers decide in batches, as in the service.

    A panel is counted with everything that its aggregator may ask, within its budget, and a
    router that wants skills with its tagger. Raises ConfigError for a router that cannot be built.
    """
    found = [_unrouted(line) for line in lines]
    by_router: dict[str, list[tuple[int, Composition]]] = {}
    for number, line in enumerate(lines):
        if line.composition is not None and scoring_of(line.composition) is None:
            name = line.composition.config.router
            by_router.setdefault(name, []).append((number, line.composition))
    prices, takers = prices_of(config), image_takers(config)
    for name, routed in by_router.items():
        router = make_router(config, name)
        tags = tagger_calls(router)
        decisions = _route(router, [lines[number].request for number, _ in routed])
        for (number, composition), routed_to in zip(routed, decisions, strict=True):
            line, decision = lines[number], routed_to
            if line.request.has_images:
                decision = with_images(decision, takers, line.model)
            found[number] = tags + planned_calls(decision, composition, prices)
    return found


def _unrouted(line: BatchLine) -> Calls:
    """The calls where no router is asked: the expert itself, or all that score texts together."""
    if line.model == EMBEDDING_MODEL:  # The service's own encoder, in no slot.
        return Counter()
    scoring = scoring_of(line.composition) if line.composition is not None else None
    return Counter([line.model] if scoring is None else scoring.members)


def planned_calls(
    decision: Decision, composition: Composition, prices: Mapping[str, float]
) -> Calls:
    """What follows from a decision; nobody is called where the router abstains."""
    # Nothing is loaded here: what waiting costs is not known.
    tradeoff = replace(tradeoff_of(composition.config), load_price=0.0)
    plan = plan_decision(decision, tradeoff, prices=prices, rules=composition.rules)
    return calls_of(plan, composition)


def tagger_calls(router: Router) -> Calls:
    """What a router has asked before it decides about one request."""
    tagging = tagging_of(router)
    return Counter() if tagging is None else Counter({tagging.expert: tagging.samples})


def _route(router: Router, requests: Sequence[Request]) -> Iterator[Decision]:
    for start in range(0, len(requests), MAX_BATCH):
        yield from router.route(requests[start : start + MAX_BATCH])
