"""Values in one spelling: equal numbers and equal Python literals are written alike. Pure."""

import ast
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from fractions import Fraction

LONGEST_VALUE = 2_000
LONGEST_NUMBER = 64

NUMBER = re.compile(
    r"""
    (?: (?<![\w)\]]) [-+\u2212] )? \$?   # "8-3" and "3-5" have no number with a sign
    (?: (?:\d{1,3}(?:,\d{3})+|\d+) (?:\.\d+)? | \.\d+ ) (?:[eE][-+]?\d{1,3}\b)?
    (?: \s*/\s* [-+]?\d+ )?
    """,
    re.VERBOSE,
)


def number_value(written: str) -> str | None:
    """A match of NUMBER as a decimal where that is exact, else as a reduced fraction.

    None for a division by zero, and for what is too long to be a number that somebody means.
    """
    if len(written) > LONGEST_NUMBER:
        return None
    tidy = written.replace("\N{MINUS SIGN}", "-").replace(",", "").replace("$", "").replace(" ", "")
    above, _, below = tidy.partition("/")
    try:
        value = Fraction(Decimal(above)) / (Fraction(Decimal(below)) if below else 1)
    except (InvalidOperation, ZeroDivisionError, ValueError):
        return None
    decimal = Decimal(value.numerator) / Decimal(value.denominator)
    exact = Fraction(decimal) == value
    found = f"{decimal.normalize():f}" if exact else str(value)
    return found if len(found) <= LONGEST_NUMBER else None


@contextmanager
def unwarned() -> Iterator[None]:
    """Silences the warnings of Python's parser: the style of what a model wrote is no concern."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def literal_value(written: str) -> str | None:
    """The type and `repr` of a Python literal; None where the text is none."""
    if not written or len(written) > LONGEST_VALUE:
        return None
    try:
        with unwarned():
            value = ast.literal_eval(written)
        return f"{type(value).__name__} {_written(value)}"
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _written(value: object) -> str:
    """`repr` in which equal dictionaries and sets are equal."""
    if isinstance(value, dict):
        pairs = sorted(f"{_written(key)}: {_written(part)}" for key, part in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, set):
        return "{" + ", ".join(sorted(map(_written, value))) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_written, value)) + ("," if len(value) == 1 else "") + ")"
    return repr(value)
