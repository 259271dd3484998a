"""Quality against price: AIQ of RouterBench (arXiv 2403.12031, section 3)."""

from collections.abc import Sequence

import numpy as np

Point = tuple[float, float]
"""(price, quality)"""


def hull(points: Sequence[Point]) -> list[Point]:
    """The upper convex hull without its falling part, by growing price."""
    kept: list[Point] = []
    for price, quality in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if kept and quality <= kept[-1][1]:
            continue
        while len(kept) > 1 and _slope(kept[-2], kept[-1]) <= _slope(kept[-2], (price, quality)):
            kept.pop()
        kept.append((price, quality))
    return kept


def aiq(points: Sequence[Point], dearest: float) -> float:
    """Mean quality along the hull from the cheapest point to `dearest`, flat after its end.

    In 0..1. Routers are compared from the same cheapest point on: give each its own points and
    those of all single experts.
    """
    found = hull(points)
    if not found or dearest <= found[0][0]:
        return found[-1][1] if found else 0.0
    within = [point for point in found if point[0] <= dearest]
    prices = [price for price, _ in within] + [dearest]
    qualities = [quality for _, quality in within] + [within[-1][1]]
    return float(np.trapezoid(qualities, prices) / (dearest - prices[0]))


def _slope(left: Point, right: Point) -> float:
    return (right[1] - left[1]) / (right[0] - left[0])
