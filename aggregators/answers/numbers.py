"""The number that an answer concludes with, whatever stands around it. Pure."""

import re
from collections.abc import Iterator

from aggregators.answers.numerals import with_digits
from aggregators.answers.places import boxed, conclusions, last_line
from aggregators.answers.values import NUMBER, number_value

_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_THIN = re.compile(r"(?<=\d)(?:[\u00a0\u2009\u202f]|\\[,!;]|\{,\}|,\\!)(?=\d{3}(?!\d))")
"""What typography and LaTeX put between thousands."""
_SPACED = re.compile(r"(\W{0,6})(\d{1,3}(?: \d{3})+)(?![\d ]*\d)")
"""Thousands between spaces, at the beginning: elsewhere they may be several numbers."""
_BEGINS = re.compile(rf"\W*(?x:{NUMBER.pattern})")
_CALCULATES = re.compile(rf"\W*(?x:{NUMBER.pattern})\s*(?:[-+*\u00d7\u00f7]|x\b)\s*\d")
_STATED = re.compile(
    rf"(?:\b(?:is|are|equals?|leaves|makes|gives)\b(?:\s(?:approximately|about|exactly|only))?|=)"
    rf"[\s:*$]*((?x:{NUMBER.pattern}))(?!\s*[-+*/^\u00d7\u00f7(]|\w)"
)
"""Numbers of which a sentence says that something is, or makes, that."""
_EMPHASIS = re.compile(r"\*\*|__")


def number(text: str) -> str | None:
    """The number concluded with, or the last one: "$1,234.50" is "1234.5", "2/6" is "1/3".

    Numbers in words count where the conclusion is one of them, or where there are no digits.
    """
    text = _THIN.sub("", _FRACTION.sub(r"\1/\2", text.replace("\\$", "$")))
    for place in _places(text):
        if (value := _first_number(place)) is not None:
            return value
    found = NUMBER.findall(text)
    if said := _said_in_words(text, bool(found)):
        return said
    return number_value(found[-1]) if found else None


def _places(text: str) -> Iterator[str]:
    if (inside := boxed(text)) is not None:
        yield inside
    yield from conclusions(text)


def _first_number(place: str) -> str | None:
    """After "the answer is" the first number counts, or the one that its sentence calls it."""
    line = with_digits(_EMPHASIS.sub("", place).lstrip(" *`\n").split("\n", 1)[0])
    line = _SPACED.sub(lambda found: found[1] + found[2].replace(" ", ""), line, count=1)
    calculates = "=" in line or _CALCULATES.match(line) or not _BEGINS.match(line)
    stated = _STATED.findall(line) if calculates else []
    found = stated[-1:] or NUMBER.findall(line)[:1] or NUMBER.findall(place)[:1]
    return number_value(found[0]) if found else None


def _said_in_words(text: str, has_digits: bool) -> str | None:
    """The number in words that the last line says something is; any, where there are no digits."""
    line = last_line(text) or ""
    spoken = with_digits(line)
    if spoken == line:
        return None
    stated = [] if NUMBER.search(line) else _STATED.findall(spoken)
    found = stated or ([] if has_digits else NUMBER.findall(spoken))
    return number_value(found[-1]) if found else None
