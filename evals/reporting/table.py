"""Tables that read the same on a terminal, in a log and in a README: plain ASCII, aligned."""

import sys
from collections.abc import Callable, Sequence

from rich.console import Console

from evals.reporting.intervals import Accuracy

PLAIN_WIDTH = 120
Finish = Callable[[Console], int]
"""Prints what was found, once everything that was started has stopped; returns the exit code."""


def make_console() -> Console:
    """Standard output, wide enough for our tables where it is not a terminal."""
    return Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def say(console: Console, text: str = "", style: str | None = None) -> None:
    """Print a line as it is: no markup, no colours of numbers, no wrapping."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def print_table(
    console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], *, bold: int = -1
) -> None:
    """Print rows under their columns: the first column to the left, all others to the right.

    `bold` is the number of the row that matters most, if there is one.
    """
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        others = (c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))
        return " ".join((first, *others)).rstrip()

    say(console, line(columns), "bold")
    say(console, " ".join("-" * width for width in widths))
    for number, row in enumerate(rows):
        say(console, line(row), "bold" if number == bold else None)


def percent(value: float | None) -> str:
    """A share in 0..1 as whole percent, `-` where there is none; 99.9 % is not shown as 100."""
    if value is None:
        return "-"
    # Rounding must not hide the last mistake, nor the only right answer.
    return f"{min(max(round(100 * value), value > 0), 100 - (value < 1)):d}"


def tenths(value: float) -> str:
    """A share in 0..1 as percent with one decimal."""
    return f"{100 * value:.1f}"


def interval(value: Accuracy) -> str:
    """The 95 % interval in percent."""
    return f"{100 * value.low:.1f} - {100 * value.high:.1f}"
