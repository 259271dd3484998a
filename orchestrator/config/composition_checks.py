"""Checks of compositions: whether what they name exists, and whether their numbers can be met."""

from collections.abc import Mapping
from typing import Any

from aggregators.registry import AGGREGATORS, FAMILY
from aggregators.registry import check as check_aggregator
from experts.components import parse
from experts.errors import ConfigError
from orchestrator.config.sections import CompositionConfig
from routers.registry import named_at_most

Keys = Mapping[str, Any]
RESERVED = "coterie/"
_EACH_ANSWERS = ("vote", "synthesize", "rank", "debate")
"""Aggregators for which every expert of the panel answers, several times where they sample."""
_RECRUIT_NOBODY = (
    "static", "random", "knn", "clusters", "logistic", "factors", "kernel", "ensemble",
    "mixture_of_thoughts",
)  # fmt: skip
"""Routers that leave the size of a panel to the composition."""


def check_composition(
    name: str, composition: CompositionConfig, routers: Keys, aggregators: Keys, experts: Any
) -> list[str]:
    """Every problem of a composition that is right by itself, each with its path."""
    where = f"compositions.{name}"
    problems: list[str] = []
    if name.startswith(RESERVED):
        problems.append(
            f"{where}: names under {RESERVED} are the service's own; choose another one."
        )
    if composition.router not in routers:
        problems.append(_unknown(f"{where}.router", "router", composition.router, routers))
    elif "experts" in composition.model_fields_set:
        problems += _check_size(where, composition, routers, experts)
    wanted, known = composition.aggregator, [*aggregators, *AGGREGATORS]
    if isinstance(wanted, dict):
        problems += problems_of(check_aggregator, f"{where}.aggregator", wanted, experts)
    elif wanted is not None and wanted not in known:
        problems.append(_unknown(f"{where}.aggregator", "aggregator", wanted, known))
    if not problems and wanted is not None:
        keys = wanted if isinstance(wanted, dict) else aggregators.get(wanted, {"type": wanted})
        problems += _check_bounds(where, composition, keys, routers, experts)
    return problems


def problems_of(check: Any, name: str, keys: Keys, experts: tuple[str, ...]) -> tuple[str, ...]:
    """What a check of a router or an aggregator raises, as a list."""
    try:
        check(name, keys, experts)
    except ConfigError as error:
        return error.problems
    return ()


def _check_size(
    where: str, composition: CompositionConfig, routers: Keys, experts: Any
) -> list[str]:
    if composition.aggregator is None:
        if composition.experts == 1:
            return []
        return [
            f"{where}.experts: {composition.experts} experts answer together only with an"
            f" `aggregator`, which makes one answer of theirs; add one ({', '.join(AGGREGATORS)}),"
            " or leave `experts` out."
        ]
    most = named_at_most(composition.router, routers[composition.router], experts)
    if most is None or composition.experts <= most:
        return []
    return [
        f"{where}.experts: the router `{composition.router}` names at most {most} of them,"
        f" so {composition.experts} cannot answer together; choose another router, or ask"
        " one expert several times (`samples`)."
    ]


def _check_bounds(
    where: str, composition: CompositionConfig, keys: Keys, routers: Keys, experts: Any
) -> list[str]:
    """A quorum, and a budget of calls, that no answer can meet."""
    kind, router = keys.get("type"), routers[composition.router]
    if kind not in _EACH_ANSWERS or router.get("type") not in _RECRUIT_NOBODY:
        return []
    try:
        _, aggregator = parse(f"{where}.aggregator", keys, FAMILY, experts)
    except ConfigError:
        return []  # It is reported already.
    most = named_at_most(composition.router, router, experts)
    seats = min(composition.experts, most or composition.experts)
    samples = getattr(aggregator, "samples", 1)
    answers = seats * samples
    asked = f"experts: {seats}" + (f", samples: {samples}" if samples > 1 else "")
    problems = []
    if composition.quorum > answers:
        problems.append(
            f"{where}.quorum: {composition.quorum} answers never come in: there are {answers}"
            f" ({asked}); lower it."
        )
    # A smaller budget is spent on the first answers, of which one alone is nothing to compare; who
    # synthesizes asks once more.
    least = min(answers, 2) + (kind == "synthesize" and answers > 1)
    if composition.budget.calls < least:
        problems.append(
            f"{where}.budget.calls: {composition.budget.calls} is less than the {least} calls that"
            f" `{kind}` needs at least ({asked}); raise it."
        )
    return problems


def _unknown(where: str, kind: str, name: str, known: Any) -> str:
    listed = ", ".join(dict.fromkeys(known)) or "none is configured"
    return f"{where}: no {kind} is called `{name}` (known: {listed})."
