"""Metric units, the calendar and the clock."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from experts.zoo.skills.base import Example, Skill, Split, draw

# Larger unit, smaller unit, how many small ones make a large one.
CONVERSIONS = (
    ("kilometres", "metres", 1000),
    ("metres", "centimetres", 100),
    ("centimetres", "millimetres", 10),
    ("metres", "millimetres", 1000),
    ("kilograms", "grams", 1000),
    ("tonnes", "kilograms", 1000),
    ("grams", "milligrams", 1000),
    ("litres", "millilitres", 1000),
    ("litres", "centilitres", 100),
    ("euros", "cents", 100),
)
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
# Neither a leap year nor a usual one is asked for: no question counts across 29 February.
YEAR = 2023
LEAP_DAY_EVE = date(YEAR, 2, 28)
FEWEST_DAYS, MOST_DAYS = 2, 19
LARGEST_AMOUNT = 199
MINUTE_STEP = 5

CONVERT = (
    "How many {to} are {amount} {unit}?",
    "How many {to} are there in {amount} {unit}?",
    "Convert {amount} {unit} to {to}.",
    "Convert {amount} {unit} into {to}.",
    "Express {amount} {unit} in {to}.",
    "Change {amount} {unit} to {to}.",
    "What is {amount} {unit} in {to}?",
    "{amount} {unit} is how many {to}?",
    "Give {amount} {unit} in {to}.",
    "How much is {amount} {unit} in {to}?",
)
DATE_AFTER = (
    "What day is {n} days after {start}?",
    "Which day comes {n} days after {start}?",
    "Today is {start}. What day is it in {n} days?",
    "If today is {start}, what day will it be in {n} days?",
    "It is {start}. Which day is it {n} days later?",
)
DATE_BEFORE = (
    "What day is {n} days before {start}?",
    "Which day comes {n} days before {start}?",
    "Today is {start}. What day was it {n} days ago?",
    "If today is {start}, what day was it {n} days ago?",
    "It is {start}. Which day was it {n} days earlier?",
)
CLOCK = (
    "What time is it {n} minutes after {start}?",
    "It is {start}. What time is it in {n} minutes?",
    "The clock shows {start}. What does it show {n} minutes later?",
    "A train leaves at {start} and takes {n} minutes. When does it arrive?",
    "A film starts at {start} and lasts {n} minutes. When does it end?",
    "Add {n} minutes to {start}.",
)


def conversion(rng: Random, split: Split) -> Example:
    """Convert between units, whole numbers on both sides."""
    (large, small, factor), amount = draw(
        rng,
        split,
        lambda r: (r.choice(CONVERSIONS), r.randint(1, LARGEST_AMOUNT)),
        lambda drawn: (*drawn[0], drawn[1]),
    )
    unit, to, given, answer = large, small, amount, amount * factor
    if rng.random() < 0.5:
        unit, to, given, answer = small, large, answer, amount
    question = rng.choice(CONVERT).format(unit=unit, to=to, amount=given)
    return Example(question, str(answer), ("units", "conversion"))


def spell_date(day: date) -> str:
    """Write a date without its year."""
    return f"{day.day} {MONTHS[day.month - 1]}"


def propose_dates(rng: Random) -> tuple[date, int]:
    """Propose a start and a number of days, backward if negative, on one side of a leap day."""
    while True:
        start = date(YEAR, 1, 1) + timedelta(days=rng.randrange(365))
        days = rng.choice((-1, 1)) * rng.randint(FEWEST_DAYS, MOST_DAYS)
        if (start <= LEAP_DAY_EVE) == (start + timedelta(days=days) <= LEAP_DAY_EVE):
            return start, days


def calendar(rng: Random, split: Split) -> Example:
    """Count days forward or backward; both directions of a pair share a split."""
    start, days = draw(
        rng, split, propose_dates, lambda drawn: (drawn[0].day, drawn[0].month, abs(drawn[1]))
    )
    question = rng.choice(DATE_AFTER if days > 0 else DATE_BEFORE)
    answer = spell_date(start + timedelta(days=days))
    return Example(
        question.format(n=abs(days), start=spell_date(start)), answer, ("units", "calendar")
    )


def clock(rng: Random, split: Split) -> Example:
    """Add minutes to a time of the day."""
    hour, minute, n = draw(
        rng,
        split,
        lambda r: (
            r.randrange(24),
            r.randrange(0, 60, MINUTE_STEP),
            r.randrange(MINUTE_STEP, 60, MINUTE_STEP),
        ),
        lambda drawn: drawn,
    )
    total = (hour * 60 + minute + n) % (24 * 60)
    question = rng.choice(CLOCK).format(n=n, start=f"{hour:02d}:{minute:02d}")
    return Example(question, f"{total // 60:02d}:{total % 60:02d}", ("units", "clock"))


def sample(rng: Random, split: Split) -> Example:
    """Sample one of the three kinds."""
    return rng.choice((conversion, calendar, clock))(rng, split)


SKILL = Skill("units", "Convert metric units, count days in the calendar, read the clock.", sample)
