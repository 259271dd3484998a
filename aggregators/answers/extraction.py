"""What an answer concludes with, in a canonical form: equal answers give equal strings. Pure.

A number, an option's letter, a Python literal, a JSON object and a text are compared as they are
written here; mathematics and code are compared by `aggregators.equality`. Nothing is guessed: an
answer that cannot be read is None and has no vote.
"""

import re
from collections.abc import Callable
from typing import Literal

from aggregators.answers.mathematics import latex
from aggregators.answers.objects import object_value
from aggregators.answers.places import boxed, conclusion, fenced, last_fenced, last_line
from aggregators.answers.values import NUMBER, literal_value, number_value

Kind = Literal["text", "number", "choice", "literal", "latex", "code", "json"]

LONGEST = 20_000
"""Characters at the end of an answer in which its conclusion is searched for."""
LAST_OPTION = "R"
"""BIG-Bench Hard lists so many."""

_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_OPTION = rf"(?!I\s+[a-z])[A-{LAST_OPTION}]"
"""A letter that is an option, and not the pronoun "I"."""
_CHOICE = re.compile(rf"^\W{{0,6}}(?:[Oo]ption\s+)?\W{{0,3}}({_OPTION})(?![A-Za-z0-9'\u2019])")
_MARKED = re.compile(rf"[(\[]({_OPTION})[)\]]|\*\*({_OPTION})\b|\b({_OPTION})\*\*")
_ALONE = re.compile(rf"^[^\w\n]*({_OPTION})[^\w\n]*$", re.MULTILINE)
_BEGINS = re.compile(rf"\W*(?x:{NUMBER.pattern})")
_STATED = re.compile(
    rf"(?:\b(?:is|are|equals?)\b|=)[\s:*$]*((?x:{NUMBER.pattern}))(?!\s*[-+*/^\u00d7\u00f7(]|\w)"
)
"""Numbers of which a sentence says that something is, or makes, that."""
_TEXT_MARKUP = re.compile(
    rf"\\(?:text|mathrm|mbox|textbf|mathbf)\{{\s*\(?([A-{LAST_OPTION}])\)?\s*\}}"
)


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


def number(text: str) -> str | None:
    """The number concluded with, or the last one: "$1,234.50" is "1234.5", "2/6" is "1/3"."""
    text = _FRACTION.sub(r"\1/\2", text)
    for place in (boxed(text), conclusion(text)):
        if place is not None and (value := _first_number(place)) is not None:
            return value
    found = NUMBER.findall(text)
    return number_value(found[-1]) if found else None


def _first_number(place: str) -> str | None:
    """After "the answer is" the first number counts, or the one that its sentence calls it."""
    line = place.lstrip(" *`\n").split("\n", 1)[0]
    stated = _STATED.findall(line) if "=" in line or not _BEGINS.match(line) else []
    found = stated[-1:] or NUMBER.findall(place)[:1]
    return number_value(found[0]) if found else None


def choice(text: str) -> str | None:
    """The letter of the option concluded with, or else the last one that stands by itself."""
    for place in (boxed(text), conclusion(text)):
        if place is not None and (found := _CHOICE.match(_TEXT_MARKUP.sub(r"\1", place))):
            return found[1]
    if (found := _CHOICE.match(text.strip())) and len(text.split()) <= 2:
        return found[1]
    for pattern in (_MARKED, _ALONE):
        letters = [found[found.lastindex or 0] for found in pattern.finditer(text)]
        if letters:
            return str(letters[-1])
    return None


def literal(text: str) -> str | None:
    """The Python literal concluded with, as `repr` writes it."""
    places = [boxed(text), conclusion(text), last_fenced(text), last_line(text)]
    for place in places:
        if place is None:
            continue
        whole = place.strip("*` \n\t")
        for written in dict.fromkeys((whole, *whole.splitlines()[:1])):
            for value in (written.removesuffix(".").rstrip("*`"), written):
                if (found := literal_value(value)) is not None:
                    return found
    return None


def code(text: str) -> str | None:
    """The longest fenced block of a program, or the whole text where nothing is fenced."""
    blocks = fenced(text)
    found = max(blocks, key=len) if blocks else text
    return found.strip("\n") if found.strip() else None
