"""Plausible wrong answers: of the right one's kind, and near it."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from experts.zoo.skills.base import Example
from experts.zoo.skills.geography_facts import COUNTRIES
from experts.zoo.skills.units import MONTHS

NEAR = (1, 1, 1, 2, 3, 9, 10, 10, 11, 20, 100)
"""How far off a calculated number is: a digit, a carry, a ten."""
MINUTES_OFF = (5, 5, 10, 15, 30, 60, 60, 120)
DAYS_OFF = (1, 1, 1, 2, 3, 10)
LONGEST_MONTH = 31
CONTINENTS = tuple(sorted({continent for _, _, continent in COUNTRIES}))
WRONG_OPERATION_SHARE = 0.15
ANYWHERE_SHARE = 0.5


def _number(rng: Random, example: Example) -> str:
    """A sum or a difference that is off by a little, or the other of the two."""
    right = int(example.answer)
    operands = [int(found) for found in re.findall(r"\d+", example.question)]
    if rng.random() < WRONG_OPERATION_SHARE:
        return str(sum(operands) if right < max(operands) else abs(operands[0] - operands[1]))
    return str(abs(right + rng.choice((-1, 1)) * rng.choice(NEAR)))


def _amount(rng: Random, example: Example) -> str:
    """An amount with a zero too many or too few, or with one wrong digit."""
    text = example.answer
    if rng.random() < 0.5:
        longer = rng.random() < 0.5 or not text.endswith("0")
        return text + "0" * rng.choice((1, 1, 2)) if longer else text[:-1]
    place = rng.randrange(len(text.rstrip("0")))
    digit = str((int(text[place]) + rng.choice((-1, 1))) % 10)
    return (text[:place] + digit + text[place + 1 :]).lstrip("0") or "0"


def _date(rng: Random, example: Example) -> str:
    """A date some days off, or in the month before or after."""
    day, month = example.answer.split(" ")
    number = MONTHS.index(month)
    if rng.random() < 0.25:
        return f"{day} {MONTHS[(number + rng.choice((-1, 1))) % len(MONTHS)]}"
    moved = int(day) + rng.choice((-1, 1)) * rng.choice(DAYS_OFF)
    return f"{(moved - 1) % LONGEST_MONTH + 1} {month}"


def _time(rng: Random, example: Example) -> str:
    """A time of the day some minutes or whole hours off."""
    hours, minutes = map(int, example.answer.split(":"))
    moved = hours * 60 + minutes + rng.choice((-1, 1)) * rng.choice(MINUTES_OFF)
    return f"{moved // 60 % 24:02d}:{moved % 60:02d}"


def _place(rng: Random, example: Example) -> str:
    """A place of the same kind, half of the time on the same continent."""
    column = 0 if "country" in example.keywords else 1
    home = next(row[2] for row in COUNTRIES if row[column] == example.answer)
    anywhere = rng.random() < ANYWHERE_SHARE
    return rng.choice([row[column] for row in COUNTRIES if anywhere or row[2] == home])


MISSES: dict[str, Callable[[Random, Example], str]] = {
    "addition": _number,
    "subtraction": _number,
    "conversion": _amount,
    "calendar": _date,
    "clock": _time,
    "capital": _place,
    "country": _place,
    "continent": lambda rng, example: rng.choice(CONTINENTS),
}
"""By the second keyword of an example: each draws an answer that may be the right one."""


def near_miss(rng: Random, example: Example) -> str:
    """Draw a wrong answer to a question of arithmetic, units or geography."""
    while (drawn := MISSES[example.keywords[1]](rng, example)) == example.answer:
        pass
    return drawn
