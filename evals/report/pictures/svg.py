"""Writes SVG elements; every text and attribute is escaped."""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape

CHAR = 6.9
"""About the width of a character of 12.5 px."""


def element(tag: str, content: str | Markup = "", **attributes: str | float) -> Markup:
    """One element; `class_` and `stroke_width` become `class` and `stroke-width`."""
    written = Markup("").join(
        Markup(' {}="{}"').format(key.strip("_").replace("_", "-"), _value(value))
        for key, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(tag, written, content)


def group(parts: Iterable[Markup], **attributes: str | float) -> Markup:
    """Elements in a group."""
    return element("g", Markup("").join(parts), **attributes)


def picture(width: float, height: float, title: str, parts: Iterable[Markup]) -> Markup:
    """The whole picture; `title` is what a screen reader says."""
    return element(
        "svg",
        Markup("").join(parts),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        role="img",
        aria_label=title,
        style=f"max-width:{_value(round(width * 1.2))}px",
    )


def text(x: float, y: float, content: str, **attributes: str | float) -> Markup:
    """A text; `class_` may be `quiet`, `small`, `end`, `mid`."""
    return element("text", content, x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high` as places from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value."""
        part = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + part * (self.end - self.start)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` steps apart.

    One where there is no room between them that numbers could be told apart in.
    """
    if not high - low > max(1e-12, 1e-9 * max(abs(low), abs(high))):
        return [low]
    rough = (high - low) / most
    power = 10.0 ** _floor_log10(rough)
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * (1 - 1e-9))
    first = -int(-low // step) if low % step else int(low // step)
    found: list[float] = []
    while (value := first * step) <= high * (1 + 1e-12) + 1e-12:
        found.append(round(value, 12))
        first += 1
    return found


def _floor_log10(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])


def _value(value: str | float) -> Markup:
    if isinstance(value, str):
        return escape(value)
    return escape(f"{value:.2f}".rstrip("0").rstrip("."))
