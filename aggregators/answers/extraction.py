"""What an answer concludes with, in a canonical form: equal answers give equal strings. Pure.

A number, an option's letter, a Python literal, a JSON object and a text are compared as they are
written here; mathematics and code are compared by `aggregators.equality`. Nothing is guessed: an
answer that cannot be read is None and has no vote.
"""

import re
from collections.abc import Callable
from typing import Literal

from aggregators.answers.mathematics import latex
from aggregators.answers.numbers import number
from aggregators.answers.objects import object_value
from aggregators.answers.options import choice
from aggregators.answers.places import boxed, conclusion, fenced, last_fenced, last_line
from aggregators.answers.values import literal_value

Kind = Literal["text", "number", "choice", "literal", "latex", "code", "json"]

LONGEST = 20_000
"""Characters at the end of an answer in which its conclusion is searched for."""
_ASSERTED = re.compile(r"(?:assert\s+)?\w+\(.*\)\s*==\s*(?=\S)", re.DOTALL)


def extract(kind: Kind, text: str) -> str | None:
    """What an answer concludes with; None where that cannot be read. Takes texts of any length."""
    if kind == "text":
        return plain(text) or None
    if kind == "code":
        return code(text)
    if kind == "json":
        return object_value(text)
    readers: dict[str, Callable[[str], str | None]] = {
        "number": number,
        "choice": choice,
        "literal": literal,
        "latex": latex,
    }
    return readers[kind](text[-LONGEST:])


def canonical(kind: Kind, value: str) -> str | None:
    """The same form for a value that has been extracted elsewhere; None for an empty one."""
    if not value.strip():
        return None
    if kind == "number":
        return number(value) or plain(value) or None
    if kind == "latex":
        return latex(f"\\boxed{{{value}}}") or plain(value) or None
    if kind == "literal":
        return literal(value) or f"str {value.strip()!r}"
    if kind == "choice":
        return choice(value) or value.strip(" .()").upper() or plain(value) or None
    if kind == "json":
        return object_value(value) or plain(value) or None
    return plain(value) or None


def plain(text: str) -> str:
    """A text in lower case, without its final full stop, with single spaces."""
    return " ".join(text.casefold().split()).removesuffix(".")


def literal(text: str) -> str | None:
    """The Python literal concluded with, as `repr` writes it."""
    places = [boxed(text), conclusion(text), last_fenced(text), last_line(text)]
    for place in places:
        if place is None:
            continue
        whole = place.strip("*` \n\t")
        for written in dict.fromkeys((whole, *whole.splitlines()[:1])):
            for value in (written.removesuffix(".").rstrip("*`"), written, _asserted(written)):
                if value and (found := literal_value(value)) is not None:
                    return found
    return None


def _asserted(written: str) -> str:
    """What `assert f(x) == VALUE`, or `f(x) == VALUE`, says of a call; empty for anything else."""
    found = _ASSERTED.match(written)
    return written[found.end() :].strip("` .") if found else ""


def code(text: str) -> str | None:
    """The longest fenced block of a program, or the whole text where nothing is fenced."""
    blocks = fenced(text)
    found = max(blocks, key=len) if blocks else text
    return found.strip("\n") if found.strip() else None
