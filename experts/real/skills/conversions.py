"""Unit conversions that come up in a sentence, and are answered in one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random

from experts.real.skills.lesson import Lesson, LessonSkill
from experts.zoo.skills.base import Split, draw


@dataclass(frozen=True, slots=True)
class Pair:
    """A larger unit, the smaller one, and how many of these make one of those."""

    large: str
    small: str
    factor: int
    scenes: tuple[str, ...]


LENGTHS = (
    "A ribbon is {amount} {unit} long. How long is it in {to}?",
    "The fence around our garden measures {amount} {unit}. How many {to} is that?",
    "A snail crawled {amount} {unit} last night. What is that distance in {to}?",
    "The shelf is {amount} {unit} wide. Tell me its width in {to}.",
    "We still have {amount} {unit} to go. How many {to} is that?",
)
MASSES = (
    "The parcel weighs {amount} {unit}. What does it weigh in {to}?",
    "A recipe asks for {amount} {unit} of flour. How much is that in {to}?",
    "The truck carries {amount} {unit} of sand. How many {to} is that?",
    "My suitcase is {amount} {unit}. What is its weight in {to}?",
)
VOLUMES = (
    "The bottle holds {amount} {unit}. How much does it hold in {to}?",
    "A recipe asks for {amount} {unit} of milk. How many {to} is that?",
    "The tank lost {amount} {unit} of water. How much is that in {to}?",
    "We drank {amount} {unit} of juice. Tell me the amount in {to}.",
)
TIMES = (
    "The journey takes {amount} {unit}. How many {to} is that?",
    "Her course lasts {amount} {unit}. How long is that in {to}?",
    "We waited for {amount} {unit}. What is that in {to}?",
    "The repair took {amount} {unit}. Tell me how many {to} that is.",
)
METRIC = (
    Pair("kilometres", "metres", 1000, LENGTHS),
    Pair("metres", "centimetres", 100, LENGTHS),
    Pair("centimetres", "millimetres", 10, LENGTHS),
    Pair("kilograms", "grams", 1000, MASSES),
    Pair("tonnes", "kilograms", 1000, MASSES),
    Pair("litres", "millilitres", 1000, VOLUMES),
    Pair("litres", "centilitres", 100, VOLUMES),
)
CLOCKED = (
    Pair("hours", "minutes", 60, TIMES),
    Pair("minutes", "seconds", 60, TIMES),
    Pair("weeks", "days", 7, TIMES),
)
METRIC_SHARE = 0.8
WHOLE_SHARE = 0.4
LARGEST_TENTHS = 990
LARGEST_CLOCKED = 30


def _propose(rng: Random) -> tuple[Pair, Decimal, bool]:
    """A pair of units, an amount of the larger one, and whether that is what is given."""
    if rng.random() < METRIC_SHARE:
        pair, amount = rng.choice(METRIC), Decimal(rng.randint(2, LARGEST_TENTHS)) / 10
        if rng.random() < WHOLE_SHARE:
            amount = Decimal(int(amount) + 1)
    else:
        pair, amount = rng.choice(CLOCKED), Decimal(rng.randint(2, LARGEST_CLOCKED))
    return pair, amount, rng.random() < 0.5


def _operands(drawn: tuple[Pair, Decimal, bool]) -> tuple[object, ...]:
    pair, amount, _ = drawn
    return pair.large, pair.small, plain(amount)


def plain(number: Decimal) -> str:
    """A number without an exponent and without zeros at the end of its fraction."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def lesson(rng: Random, split: Split) -> Lesson:
    """One conversion, in either direction."""
    pair, amount, downward = draw(rng, split, _propose, _operands)
    given, unit, result, to = amount, pair.large, amount * pair.factor, pair.small
    if not downward:
        given, unit, result, to = result, to, given, unit
    question = rng.choice(pair.scenes).format(amount=plain(given), unit=unit, to=to)
    reply = f"{plain(given)} {unit} is {plain(result)} {to}."
    return Lesson(question, plain(result), reply, ("units", "conversion"))


SKILL = LessonSkill(
    "conversions", "Convert an amount in a sentence to another unit.", "number", 32, lesson
)
