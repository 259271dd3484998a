"""What choices that no router makes would reach: for each question the best, or by lot. Pure."""

from collections.abc import Callable

import numpy as np

from routers.fitted.training_set import Floats

PRICES = 400
SLACK = 1e-9


def grown(scores: Floats, sizes: Floats, budget: float) -> Floats:
    """[N] best scores of [N, M] among experts whose sizes [M] together are within the budget.

    The set is grown from each expert in turn by what brings most for its size, and the best of
    these sets counts. (Which set is best of all is a maximum coverage problem; on MMLU-Pro such
    sets reach it within a point.)
    """
    found = [
        _grown(scores, sizes, budget, first)
        for first in np.flatnonzero(sizes <= budget * (1 + SLACK))
    ]
    return max(found, key=lambda one: float(one.mean()))


def _grown(scores: Floats, sizes: Floats, budget: float, first: int) -> Floats:
    best, left = scores[:, first], budget * (1 + SLACK) - sizes[first]
    while True:
        gains = np.maximum(scores - best[:, None], 0.0).mean(axis=0)
        gains[sizes > left] = 0.0
        worth = gains / sizes
        if not worth.any():
            return best
        chosen = int(worth.argmax())
        best, left = np.maximum(best, scores[:, chosen]), left - sizes[chosen]


def frontier(scores: Floats, sizes: Floats) -> Callable[[float], float]:
    """The best mean of scores [N, M] as a function of the mean size of who answers.

    By prices of size, as in Lagrangian relaxation: optimal but for the rounding of one question,
    and for the prices between those that are tried.
    """
    gaps = np.abs(sizes[:, None] - sizes[None])
    smallest = float(gaps[gaps > 0].min()) if gaps.any() else 1.0
    prices = np.geomspace(1e-3 / float(sizes.sum()), 2 / smallest, PRICES)
    points = {_priced(scores, sizes, float(price)) for price in prices}
    cheapest = np.where(sizes == sizes.min(), 1.0, 0.0)
    points.add((float(sizes.min()), float((scores * cheapest).max(axis=1).mean())))
    means, reached = zip(*sorted(points), strict=True)

    def at(budget: float) -> float:
        return float(np.interp(budget, means, np.maximum.accumulate(reached)))

    return at


def _priced(scores: Floats, sizes: Floats, price: float) -> tuple[float, float]:
    chosen = (scores - price * sizes).argmax(axis=1)
    return float(sizes[chosen].mean()), float(scores[np.arange(len(scores)), chosen].mean())


def by_lot(means: Floats, sizes: Floats, budget: float) -> Floats:
    """[M] how often each expert should answer, if a lot decides who does: at most two of them.

    Which two is best for the `means` [M]: the upper hull of quality over size. It looks at no
    question, so what a composition gains over it is what categories bring.
    """
    shares = np.zeros(len(sizes))
    corners = _hull(means, sizes)
    inside = [one for one in corners if sizes[one] <= budget * (1 + SLACK)]
    low = inside[-1]
    if len(inside) == len(corners):
        shares[low] = 1.0
        return shares
    high = corners[len(inside)]
    often = float((budget - sizes[low]) / (sizes[high] - sizes[low]))
    shares[low], shares[high] = 1.0 - often, often
    return shares


def _hull(means: Floats, sizes: Floats) -> list[int]:
    """The corners of the rising upper hull, the smallest expert first."""
    kept: list[int] = []
    for one in np.lexsort((-means, sizes)):
        if kept and means[one] <= means[kept[-1]]:
            continue
        while len(kept) > 1 and _slope(kept[-2], kept[-1], means, sizes) <= _slope(
            kept[-2], int(one), means, sizes
        ):
            kept.pop()
        kept.append(int(one))
    return kept


def _slope(left: int, right: int, means: Floats, sizes: Floats) -> float:
    return float((means[right] - means[left]) / (sizes[right] - sizes[left]))
