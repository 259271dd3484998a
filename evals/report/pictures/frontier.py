"""Quality against price: every subject as a point, the frontier as steps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from evals.report import words
from evals.report.pictures.svg import CHAR, Scale, element, line, picture, text, ticks
from evals.report.sections import Picture
from evals.report.statistics.costs import Point
from evals.reporting.numbers import number

WIDTH, HEIGHT = 500, 340
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 16, 46
WIDE, WIDEST = 20, 1e9
"""Prices so many times apart are drawn on a logarithmic scale."""
MOST_LABELLED = 14
"""Subjects that all get their names; of more, only those on the frontier."""


FAR = 20
"""A name that is further from its point gets a line to it."""


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "_Box") -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


def scatter(points: Sequence[Point], unit: str) -> Picture:
    """Draw at least one point."""
    across, log = _across([point.price for point in points])
    qualities = [point.quality for point in points]
    room = max(0.02, 0.08 * (max(qualities) - min(qualities)))
    up = Scale(
        max(0.0, min(qualities) - room), min(1.0, max(qualities) + room), HEIGHT - BOTTOM, TOP
    )
    places = [(across.at(_placed(point.price, log)), up.at(point.quality)) for point in points]
    parts = [_axes(across, up, unit, log), _steps(points, places)]
    parts += [_dot(point, *place) for point, place in zip(points, places, strict=True)]
    parts.append(_labels(points, places))
    caption = f"Right answers in % over {unit}" + (", logarithmic." if log else ".")
    return Picture(picture(WIDTH, HEIGHT, "Quality against price", parts), caption)


def _across(prices: Sequence[float]) -> tuple[Scale, bool]:
    low, high = min(prices), max(prices)
    log = low > high / WIDEST and high / low > WIDE
    if log:
        return Scale(math.log10(low) - 0.12, math.log10(high) + 0.12, LEFT, WIDTH - RIGHT), True
    room = 0.06 * (high - low) or 0.5 * (abs(high) or 1.0)
    return Scale(max(0.0, low - room), high + room, LEFT, WIDTH - RIGHT), False


def _placed(price: float, log: bool) -> float:
    return math.log10(price) if log else price


def _price_ticks(across: Scale, log: bool) -> list[float]:
    if not log:
        return ticks(across.low, across.high)
    decades = range(math.floor(across.low), math.ceil(across.high) + 1)
    steps = (1, 2, 5) if across.high - across.low < 2.5 else (1,)
    found = [step * 10.0**decade for decade in decades for step in steps]
    return [value for value in found if across.low <= math.log10(value) <= across.high]


def _axes(across: Scale, up: Scale, unit: str, log: bool) -> Markup:
    parts = []
    for value in ticks(up.low, up.high):
        y = up.at(value)
        parts.append(line(LEFT, y, WIDTH - RIGHT, y, "grid"))
        parts.append(text(LEFT - 6, y + 4, f"{100 * value:g}", class_="quiet end"))
    for value in _price_ticks(across, log):
        x = across.at(_placed(value, log))
        parts.append(line(x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 4, "axis"))
        parts.append(text(x, HEIGHT - BOTTOM + 18, f"{value:g}", class_="quiet mid"))
    parts.append(line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "axis"))
    parts.append(text(WIDTH - RIGHT, HEIGHT - 8, unit, class_="quiet end"))
    return Markup("").join(parts)


def _steps(points: Sequence[Point], places: Sequence[tuple[float, float]]) -> Markup:
    best = [place for point, place in zip(points, places, strict=True) if point.best]
    path = ""
    for x, y in best:
        path += f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {y:.1f}"
    return element("path", d=f"{path}H{WIDTH - RIGHT}", class_="frontier")


def _dot(point: Point, x: float, y: float) -> Markup:
    said = f"{words.name(point.subject)}: {words.percent(point.quality)} %, {number(point.price)}"
    kind = "dot full" if point.best else "dot"
    return element("circle", element("title", said), cx=x, cy=y, r=5, class_=kind)


def _labels(points: Sequence[Point], places: Sequence[tuple[float, float]]) -> Markup:
    """Names beside their points, where they cover neither a point nor another name."""
    taken = [_Box(x - 6, y - 6, x + 6, y + 6) for x, y in places]
    wanted = [
        (point, place)
        for point, place in zip(points, places, strict=True)
        if point.best or len(points) <= MOST_LABELLED
    ]
    found = []
    for point, (x, y) in sorted(wanted, key=lambda pair: not pair[0].best):
        label = words.name(point.subject, 26)
        for box in _around(x, y, len(label) * CHAR * 0.92):
            inside = box.left >= 0 and box.right <= WIDTH and box.top >= 0
            if inside and box.bottom <= HEIGHT - BOTTOM and not any(map(box.meets, taken)):
                taken.append(box)
                kind = "small halo" if point.best else "small quiet halo"
                if abs((box.top + box.bottom) / 2 - y) > FAR:
                    edge = box.bottom if box.bottom < y else box.top
                    middle = min(max(x, box.left + 4), box.right - 4)
                    found.append(line(x, y, middle, edge, "lead"))
                found.append(text(box.left, box.bottom - 3.5, label, class_=kind))
                break
    return Markup("").join(found)


def _around(x: float, y: float, width: float) -> list[_Box]:
    """Places for a name of one line: right, left, above, below, between these, and further off."""
    high = 14.0
    lefts = {"right": x + 8, "left": x - 8 - width, "mid": x - width / 2, "start": x - 4,
             "end": x + 4 - width}  # fmt: skip
    order = (
        ("right", y), ("left", y), ("mid", y - 14), ("mid", y + 14), ("start", y - 14),
        ("end", y - 14), ("start", y + 14), ("end", y + 14), ("right", y - 10), ("left", y + 10), *(
            (side, y + way * far)
            for far in (28, 42, 56)
            for way in (1, -1)
            for side in ("mid", "start", "end")
        ),
    )  # fmt: skip
    return [
        _Box(lefts[side], middle - high / 2, lefts[side] + width, middle + high / 2)
        for side, middle in order
    ]
