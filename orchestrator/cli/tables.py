"""Tables for the terminal and for logs."""

import re
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

PLAIN_WIDTH = 120
"""Where the output is no terminal."""
_NUMBER = re.compile(r"~?\d+(,\d{3})*(\.\d+)?|-")
"""Also one that is estimated, or not known."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their columns; columns of numbers stand to the right."""
    cells = list(rows)
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(columns):
        column = [row[number] for row in cells if row[number]]
        numeric = bool(column) and all(map(_NUMBER.fullmatch, column))
        table.add_column(name, justify="right" if numeric else "left", no_wrap=numeric)
    for row in cells:
        table.add_row(*map(escape, row))
    Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH).print(table)
