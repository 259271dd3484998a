"""Halves of the training data: what a member of the council learns, and what it never sees."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from experts.zoo.skills.base import Example
from experts.zoo.skills.geography_facts import COUNTRIES
from experts.zoo.skills.units import CONVERSIONS

NUMBER = re.compile(r"\d+")
CLOCK = re.compile(r"\d\d:(\d\d)")
MINUTES = re.compile(r"(\d+) minutes")
DAYS = re.compile(r"(\d+) days")
BACKWARD = re.compile(r"before|ago|earlier")
UNIT = re.compile("|".join(rf"\b{unit}\b" for row in CONVERSIONS for unit in row[:2]))
PLACE = re.compile("|".join(rf"\b{name}\b" for row in COUNTRIES for name in row[:2]))

Key = tuple[object, ...]


def last_digits(example: Example) -> Key:
    """The last digits of both numbers, the larger number's first where the order matters."""
    numbers = sorted(map(int, NUMBER.findall(example.question)), reverse=True)
    digits = [number % 10 for number in numbers]
    return tuple(sorted(digits) if "addition" in example.keywords else digits)


def both_units(example: Example) -> Key:
    """The two units of a conversion, whichever way it goes."""
    return tuple(sorted(UNIT.findall(example.question)))


def days_counted(example: Example) -> Key:
    """How many days, and which way."""
    return (*DAYS.findall(example.question), bool(BACKWARD.search(example.question)))


def minutes_added(example: Example) -> Key:
    """The minute of the start, and how many are added."""
    return (*CLOCK.findall(example.question), *MINUTES.findall(example.question))


def place_named(example: Example) -> Key:
    """The country, or the capital whose country is asked for."""
    return tuple(PLACE.findall(example.question))


KEYS: dict[str, Callable[[Example], Key]] = {
    "addition": last_digits,
    "subtraction": last_digits,
    "conversion": both_units,
    "calendar": days_counted,
    "clock": minutes_added,
    "capital": place_named,
    "country": place_named,
}
"""Kind of example -> what of it a model must have seen in training to know it.

A key says less than the question: it leaves out the phrasing, and of numbers whatever a model can
do without having seen it, so that a half that was not trained on is really missed.
"""

COMMON = ("continent",)
"""Kinds of example that every member learns: without them geography would be known too little."""


@dataclass(frozen=True, slots=True)
class Half:
    """One of the two halves into which a name splits the keys of every kind of example."""

    split: str
    second: bool

    def holds(self, example: Example) -> bool:
        """Whether an example belongs to this half. Raises KeyError for other skills' examples."""
        kind = example.keywords[-1]
        if kind in COMMON:
            return True
        key = "|".join(map(str, (self.split, kind, *KEYS[kind](example))))
        # Not CRC-32, as for the splits: it is linear, and all ways to halve would be the same one.
        return bool(blake2b(key.encode("utf-8"), digest_size=1).digest()[0] % 2) == self.second
