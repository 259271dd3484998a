"""The number that an answer concludes with, whatever stands around it. Pure."""

import re
from collections.abc import Iterator

from aggregators.answers.clauses import SENTENCE, main_clauses
from aggregators.answers.fractions import with_fractions
from aggregators.answers.numerals import with_digits
from aggregators.answers.places import boxed, conclusions, last_line
from aggregators.answers.values import NUMBER, number_value
from aggregators.answers.writing import joined, normal

_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_THIN = re.compile(r"(?<=\d)(?:\\[,!;]|\{,\}|,\\!)(?=\d{3}(?!\d))")
"""What typography and LaTeX put between thousands."""
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
    text = _FRACTION.sub(r" \1/\2", normal(text).replace("\\$", "$"))
    text = with_fractions(joined(_THIN.sub("", text)))
    for place in _places(text):
        if (value := _first_number(place)) is not None:
            return value
    if said := _said_in_words(text, bool(NUMBER.search(text))):
        return said
    return _last_number(text)


def _places(text: str) -> Iterator[str]:
    if (inside := boxed(text)) is not None:
        yield inside
    yield from conclusions(text)


def _first_number(place: str) -> str | None:
    """After "the answer is" the first number counts, or the one that its sentence calls it."""
    line = with_digits(_EMPHASIS.sub("", place).lstrip(" *`\n").split("\n", 1)[0])
    line = main_clauses(line)
    calculates = "=" in line or _CALCULATES.match(line) or not _BEGINS.match(line)
    stated = _STATED.findall(line) if calculates else []
    found = stated[-1:] or NUMBER.findall(line)[:1] or NUMBER.findall(place)[:1]
    return number_value(found[0]) if found else None


def _last_number(text: str) -> str | None:
    """The last number, but for those of the reasons that its sentence gives, or rules out."""
    for said in reversed(SENTENCE.split(text)):
        if not NUMBER.search(said):
            continue
        shorter = main_clauses(said)
        if shorter != said and (found := NUMBER.findall(with_digits(shorter))):
            return number_value(found[-1])
        return number_value(NUMBER.findall(said)[-1])
    return None


def _said_in_words(text: str, has_digits: bool) -> str | None:
    """The number in words that the last line says something is; any, where there are no digits."""
    line = last_line(text) or ""
    spoken = with_digits(line)
    if spoken == line:
        return None
    stated = [] if NUMBER.search(line) else _STATED.findall(spoken)
    found = stated or ([] if has_digits else NUMBER.findall(spoken))
    return number_value(found[-1]) if found else None
