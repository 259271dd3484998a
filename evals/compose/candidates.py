"""Which compositions are tried: routers x what is made of their order x subsets of experts."""

from collections.abc import Iterator, Sequence

import numpy as np

from evals.compose.answers.matrix import Matrix
from evals.compose.composition import MEANS, Alone, Composition, Escalates, Order, Votes, Way
from evals.compose.replay import Replay

FIRST = Order(MEANS)
ROUTERS = (
    Order("knn"),
    Order("clusters", (("clusters", 32),)),
    Order("clusters"),
    Order("clusters", (("clusters", 128),)),
    Order("logistic"),
    Order("factors"),
    Order("kernel"),
    Order("composition"),
    Order("symbolic_moe"),
)
TRUSTS = (1.0, 0.5)
JOINT = frozenset({"factors", "composition"})
"""Routers whose prediction for one expert depends on the others: they are not replayed for
subsets, for which they would have to be fitted again. All others learn about each expert alone."""
RECRUITS = frozenset({"symbolic_moe"})
"""Routers that put panels together themselves, by lot: here they choose one expert."""

PANELS = (2, 3, 4, 5, 6, 8, 12, 16, 24, 32)
STOPS = (0.7, 0.8, 0.9, 0.95)
WEIGHTS = (0.99, 0.97, 0.95, 0.9, 0.8, 0.6, 0.4, 0.2)
QUANTILES = (0.5, 0.75, 0.9)
"""Of the best expert's predicted quality, above which it answers alone."""


def orders() -> list[Order]:
    """All ways of ordering experts that are fitted and tried."""
    trusted = [Order(one.router, one.keys, trust) for one in ROUTERS for trust in TRUSTS]
    return [FIRST, *trusted]


def singles(experts: Sequence[str]) -> list[Composition]:
    """Each expert alone."""
    return [Composition((one,), FIRST, Alone()) for one in experts]


def priced(matrix: Matrix) -> bool:
    """Whether prices differ, so that quality can be weighed against them."""
    return bool(matrix.rates.max() > matrix.rates.min())  # NaN is not above NaN.


def counts(experts: Sequence[str], *, prices: bool) -> list[int]:
    """About how many compositions there are of all experts, and of subsets of 2, 3, and so on."""
    whole = sum(len(list(_ways(order, len(experts), prices=prices))) for order in orders())
    subsets = [len(list(of_subset(experts[:size]))) for size in range(2, len(experts))]
    return [whole, *subsets]


def everything(replay: Replay) -> Iterator[Composition]:
    """Every way with every order, for all experts; thresholds come from these questions."""
    experts = replay.matrix.experts
    prices = priced(replay.matrix)
    for order in orders():
        best = Composition(experts, order, Alone())
        for way in _ways(order, len(experts), prices=prices):
            yield Composition(experts, order, way)
        if order.router in RECRUITS or order.router == MEANS or order.trust < 1:
            continue
        if replay.matrix.answer == "auto":  # `strategy` compares what can be read of an answer.
            continue
        limits = np.unique(np.quantile(replay.first_scores(best), QUANTILES).round(2)).tolist()
        for count in sorted({3, len(experts)} & set(range(3, len(experts) + 1))):
            for single_at in limits:
                for verify_at in sorted({0.0, limits[0]}):
                    yield Composition(experts, order, Escalates(count, single_at, verify_at))


def of_subset(experts: Sequence[str]) -> Iterator[Composition]:
    """The main ways of some of the experts, with orders that need not be fitted for them."""
    for order in orders():
        if order.router in JOINT or order.trust < 1:
            continue
        for way in _ways(order, len(experts), prices=False):
            yield Composition(tuple(experts), order, way)


def _ways(order: Order, count: int, *, prices: bool) -> Iterator[Way]:
    if order.router != MEANS:
        yield Alone()
        if prices and order.trust == 1:
            yield from (Alone(weight) for weight in WEIGHTS)
    if order.router in RECRUITS:
        return
    for panel in _panels(count):
        yield Votes(panel)
        if panel < 3:
            continue
        yield Votes(panel, "router")
        for stop in STOPS:
            yield Votes(panel, "equal", stop)


def _panels(count: int) -> list[int]:
    return sorted({one for one in PANELS if one < count} | {count})
