"""Numbers and foreign texts as a report writes them; nothing here is markup yet."""

import re

from evals.report.statistics.intervals import Interval
from evals.reporting.numbers import number

NONE = "-"
SECONDS = "s in run"
"""Heads the seconds of an answer: an engine that answers many at once is slower for each."""
NAME_CHARS = 60
"""Longest name in a table; the JSON has the whole one."""
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


def whole(text: str) -> str:
    """A text that can be written as UTF-8: U+FFFD stands for half a surrogate pair."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def visible(text: str) -> str:
    """A text whose control characters, those of writing direction included, can be seen.

    Lone surrogates become U+FFFD; line feeds and tabs stay.
    """
    shown = whole(text.replace("\r\n", "\n"))
    return _CONTROL.sub(lambda found: f"<U+{ord(found[0]):04X}>", shown)


def shortened(text: str, most: int) -> str:
    """The beginning and the end of a text that is too long, and how much is left out."""
    if len(text) <= most:
        return text
    head, tail = most * 2 // 3, most // 3
    return f"{text[:head]} [... {len(text) - head - tail} characters ...] {text[-tail:]}"


def name(text: str, most: int = NAME_CHARS) -> str:
    """A name on one line, bounded."""
    line = " ".join(visible(text).split())
    return line if len(line) <= most else line[: most - 1] + "\u2026"


def percent(value: float | None) -> str:
    """A share with one decimal."""
    return NONE if value is None else f"{100 * value:.1f}"


def points(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return NONE if value is None else f"{100 * value:+.1f}"


def share(found: Interval | None) -> str:
    """A share and its interval."""
    if found is None:
        return NONE
    return f"{percent(found.mean)} ({percent(found.low)} to {percent(found.high)})"


def difference(found: Interval | None, *, marked: bool = True) -> str:
    """A difference and its interval, `marked` with * where the interval does not hold 0."""
    if found is None:
        return NONE
    mark = " *" if marked and found.beyond_zero else ""
    return f"{points(found.mean)} ({points(found.low)} to {points(found.high)}){mark}"


def usd(value: float) -> str:
    """Dollars; free is 0."""
    return number(value)


def duration(seconds: float) -> str:
    """Seconds, or minutes and hours where they are many."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
