"""What an answer says in the end, in a form in which equal answers are equal.

A number, an option's letter, a Python literal and a text are compared as they are written here;
mathematics and code are compared by `aggregators.equality`. Nothing is guessed: an answer that can
not be read is None, and has no vote.
"""

import ast
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Literal

Kind = Literal["text", "number", "choice", "literal", "latex", "code"]

LONGEST = 20_000
"""Letters at the end of an answer in which its conclusion is looked for."""
LONGEST_VALUE = 2_000
LONGEST_NUMBER = 64
LAST_OPTION = "J"

_NUMBER = re.compile(
    r"""
    [-+\u2212]? \$?
    (?: (?:\d{1,3}(?:,\d{3})+|\d+) (?:\.\d+)? | \.\d+ ) (?:[eE][-+]?\d{1,3}\b)?
    (?: \s*/\s* [-+]?\d+ )?
    """,
    re.VERBOSE,
)
_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_CONCLUSION = re.compile(
    r"(?:final\s+answer|answer)\W{0,6}(?:is|are|:|=|would\s+be)\s*[:=]?\s*|####\s*", re.IGNORECASE
)
_OPTION = rf"(?!I\s+[a-z])[A-{LAST_OPTION}]"
"""A letter that stands for an option, and not for the speaker."""
_CHOICE = re.compile(rf"^\W{{0,6}}(?:option\s+)?\W{{0,3}}({_OPTION})(?![A-Za-z0-9'\u2019])")
_MARKED = re.compile(rf"[(\[]({_OPTION})[)\]]|\*\*({_OPTION})\b|\b({_OPTION})\*\*")
_ALONE = re.compile(rf"^[^\w\n]*({_OPTION})[^\w\n]*$", re.MULTILINE)
_TEXT_MARKUP = re.compile(r"\\(?:text|mathrm|mbox)\{\s*([A-J])\s*\}")
_LAYOUT = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])|(?<!\\)\\[!,; ]")
_FENCE = re.compile(r"^(`{3,})[^`]*$")


def extract(kind: Kind, text: str) -> str | None:
    """What an answer says; None where that cannot be read. Takes texts of any length."""
    if kind == "text":
        return plain(text) or None
    if kind == "code":
        return code(text)
    readers: dict[str, Callable[[str], str | None]] = {
        "number": number,
        "choice": choice,
        "literal": literal,
        "latex": latex,
    }
    return readers[kind](text[-LONGEST:])


def canonical(kind: Kind, value: str) -> str | None:
    """The same form for a value that was read from an answer before; None for an empty one."""
    if not value.strip():
        return None
    if kind == "number":
        return number(value) or plain(value) or None
    if kind == "latex":
        return latex(f"\\boxed{{{value}}}") or plain(value) or None
    if kind == "literal":
        return literal(value) or f"str {value.strip()!r}"
    return plain(value) or None


def plain(text: str) -> str:
    """A text without case, outer full stop and the number of spaces."""
    return " ".join(text.casefold().split()).removesuffix(".")


def number(text: str) -> str | None:
    """The number concluded with, or the last one: "$1,234.50" is "1234.5", "2/6" is "1/3"."""
    text = _FRACTION.sub(r"\1/\2", text)
    for place in (boxed(text), _conclusion(text), text):
        if place is None:
            continue
        found = _NUMBER.findall(place)
        # After "the answer is" the first number counts, in a running text the last.
        if found and (value := _value(found[-1] if place is text else found[0])) is not None:
            return value
    return None


def choice(text: str) -> str | None:
    """The letter of the option concluded with, or else the last one that stands by itself."""
    for place in (boxed(text), _conclusion(text)):
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
    places = [boxed(text), _conclusion(text), _last_fenced(text), _last_line(text)]
    for place in places:
        if place is None:
            continue
        whole = place.strip("*` \n\t")
        for written in dict.fromkeys((whole, *whole.splitlines()[:1])):
            for value in (written.removesuffix(".").rstrip("*`"), written):
                if (found := _literal(value)) is not None:
                    return found
    return None


def latex(text: str) -> str | None:
    r"""The mathematics concluded with: \boxed{...}, or what follows "the answer is"."""
    found = boxed(text)
    if found is None:
        said = _conclusion(text)
        inside = re.search(r"\$+([^$]+)\$+|\\\((.+?)\\\)|\\\[(.+?)\\\]", said or "", re.DOTALL)
        if inside:
            found = next(filter(None, inside.groups()))
        elif said is not None and said.strip():
            found = said.strip().splitlines()[0].strip(" *").removesuffix(".")
    if not found or len(found) > LONGEST_VALUE:
        return None
    tidy = _LAYOUT.sub("", found.strip().strip("$"))
    tidy = tidy.replace(r"\dfrac", r"\frac").replace(r"\tfrac", r"\frac")
    value = _value(tidy) if re.fullmatch(_NUMBER, tidy) else None
    return value or " ".join(tidy.split()) or None


def code(text: str) -> str | None:
    """The longest fenced block of a program, or the whole text where nothing is fenced."""
    blocks = _fenced(text)
    found = max(blocks, key=len) if blocks else text
    return found.strip("\n") if found.strip() else None


def boxed(text: str) -> str | None:
    r"""What the last \boxed{...} holds, braces matched; None where there is none."""
    start = text.rfind(r"\boxed{")
    if start < 0:
        return None
    depth = 0
    for place in range(start + len(r"\boxed"), len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if not depth:
            return text[start + len(r"\boxed{") : place]
    return None


def _conclusion(text: str) -> str | None:
    ends = [found.end() for found in _CONCLUSION.finditer(text)]
    return text[ends[-1] :] if ends else None


def _fenced(text: str) -> list[str]:
    """What stands between fences; the last one may lack its end."""
    blocks: list[str] = []
    fence: str | None = None
    lines: list[str] = []
    for line in text.splitlines():
        if fence is None:
            if found := _FENCE.match(line):
                fence, lines = found[1], []
        elif line.strip().startswith(fence) and not line.strip("` \t"):
            blocks.append("\n".join(lines))
            fence = None
        else:
            lines.append(line)
    return blocks


def _last_fenced(text: str) -> str | None:
    return next(reversed(_fenced(text)), None)


def _last_line(text: str) -> str | None:
    lines = text.strip().splitlines()
    return lines[-1] if lines else None


def _value(written: str) -> str | None:
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
    """Parses what a model wrote; Python warns of its style, which is nobody's business here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _literal(written: str) -> str | None:
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
