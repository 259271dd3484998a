"""Numbers with and without their unit as one answer, where there is but one unit. Pure."""

import re
from collections.abc import Sequence

from aggregators.answers.values import NUMBER, number_value

_SPELLINGS = {
    "km": "kilometre kilometres kilometer kilometers kms",
    "m": "metre metres meter meters",
    "cm": "centimetre centimetres centimeter centimeters",
    "mm": "millimetre millimetres millimeter millimeters",
    "mile": "miles mi",
    "ft": "foot feet",
    "inch": "inches in",
    "kg": "kilogram kilograms kilo kilos kgs",
    "g": "gram grams",
    "lb": "pound pounds lbs",
    "l": "litre litres liter liters",
    "ml": "millilitre millilitres milliliter milliliters",
    "s": "second seconds sec secs",
    "min": "minute minutes mins",
    "h": "hour hours hr hrs",
    "day": "days",
    "week": "weeks",
    "month": "months",
    "year": "years yrs",
    "c": "celsius",
    "f": "fahrenheit",
    "degree": "degrees deg",
    "dollar": "dollars usd",
    "euro": "euros eur",
    "cent": "cents",
    "percent": "per cent pct",
    "people": "persons",
}
_UNITS = {word: unit for unit, words in _SPELLINGS.items() for word in (unit, *words.split())}
_OPEN = "degree"
"""Of whatever scale the others speak of."""
_EMPTY_UNITS = frozenset({_OPEN, "square", "cubic", "us"})
"""Words that stand before another unit."""

_BEHIND = re.compile(r"\s*[*$\u00b0]*\s*([A-Za-z]+)")


def without_units(labels: Sequence[str | None]) -> list[str | None]:
    """The labels with numbers bare, where everybody who says a unit says the same one.

    "5 km", "5 kilometres" and "5" are one answer; beside "5 miles", "5" may be either, so that
    nothing is changed but the unit's spelling.
    """
    parts = [_parts(label) for label in labels]
    units = {part[1] for part in parts if part is not None} - {"", _OPEN}
    return [
        label if part is None else part[0] if len(units) <= 1 else " ".join(filter(None, part))
        for label, part in zip(labels, parts, strict=True)
    ]


def with_unit(value: str, text: str) -> str:
    """The value, with the unit that stands behind it where the text says it last, if one does."""
    found = None
    for one in NUMBER.finditer(text):
        if number_value(one[0]) == value:
            found = _BEHIND.match(text, one.end())
    unit = _UNITS.get(found[1].casefold()) if found else None
    return f"{value} {unit}" if unit else value


def _parts(label: str | None) -> tuple[str, str] | None:
    """A number and its unit in one spelling; None for what is no number, or more than that."""
    first, *rest = label.split() if label else [""]
    if not first[-1:].isdigit() or not all(word in _UNITS or word in _EMPTY_UNITS for word in rest):
        return None
    named = [_UNITS.get(word, word) for word in rest]
    told = [unit for unit in named if unit != _OPEN] or named
    return first, " ".join(told)
