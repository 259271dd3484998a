"""Arithmetic word problems of two steps, answered with the working and the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from experts.real.skills.lesson import Lesson, LessonSkill
from experts.zoo.skills.base import Split, draw

PEOPLE = ("Ada", "Ben", "Carla", "Dan", "Emma", "Felix", "Grace", "Henry", "Ines", "Jack")
THINGS = ("apples", "marbles", "stickers", "books", "shells", "coins", "cards", "pencils")


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a problem gives, with its two steps as written and the result."""

    a: int
    b: int
    c: int
    first: str
    second: str
    result: int


@dataclass(frozen=True, slots=True)
class Kind:
    """Stories that are solved by the same two steps."""

    name: str
    propose: Callable[[Random], Numbers]
    stories: tuple[str, ...]


def _gain_and_loss(rng: Random) -> Numbers:
    a, b = rng.randint(5, 60), rng.randint(3, 39)
    c = rng.randint(2, min(a + b - 1, 39))
    first, second = f"{a} + {b} = {a + b}", f"{a + b} - {c} = {a + b - c}"
    return Numbers(a, b, c, first, second, a + b - c)


def _two_losses(rng: Random) -> Numbers:
    a, b = rng.randint(30, 90), rng.randint(3, 19)
    c = rng.randint(2, 10)
    first, second = f"{a} - {b} = {a - b}", f"{a - b} - {c} = {a - b - c}"
    return Numbers(a, b, c, first, second, a - b - c)


def _groups_and_more(rng: Random) -> Numbers:
    a, b, c = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 29)
    first, second = f"{a} x {b} = {a * b}", f"{a * b} + {c} = {a * b + c}"
    return Numbers(a, b, c, first, second, a * b + c)


def _groups_less_some(rng: Random) -> Numbers:
    a, b = rng.randint(3, 9), rng.randint(3, 9)
    c = rng.randint(2, a * b - 1)
    first, second = f"{a} x {b} = {a * b}", f"{a * b} - {c} = {a * b - c}"
    return Numbers(a, b, c, first, second, a * b - c)


def _compared(rng: Random) -> Numbers:
    a, b = rng.randint(4, 45), rng.randint(2, 29)
    first, second = f"{a} + {b} = {a + b}", f"{a} + {a + b} = {2 * a + b}"
    return Numbers(a, b, 0, first, second, 2 * a + b)


KINDS = (
    Kind(
        "gain and loss",
        _gain_and_loss,
        (
            "{who} has {a} {things}. {who} buys {b} more and gives {c} to {friend}. How many"
            " {things} does {who} have now?",
            "There are {a} {things} in a box. {who} puts in {b} more, then {friend} takes out {c}."
            " How many {things} are in the box?",
            "{who} had {a} {things}, found {b} and lost {c}. How many {things} are left?",
        ),
    ),
    Kind(
        "two losses",
        _two_losses,
        (
            "{who} has {a} {things}. {who} gives {b} to {friend} and loses {c}. How many {things}"
            " are left?",
            "A shop has {a} {things}. It sells {b} in the morning and {c} in the afternoon. How"
            " many {things} remain?",
        ),
    ),
    Kind(
        "groups and more",
        _groups_and_more,
        (
            "{who} has {a} bags with {b} {things} in each, and {c} loose {things}. How many"
            " {things} is that in all?",
            "{a} tickets cost {b} euros each, and the parking costs {c} euros. How many euros does"
            " {who} pay in total?",
        ),
    ),
    Kind(
        "groups less some",
        _groups_less_some,
        (
            "{who} packs {a} boxes with {b} {things} in each. Then {c} {things} get lost. How many"
            " {things} are left?",
            "A hall has {a} rows of {b} seats, and {c} seats are taken. How many seats are free?",
        ),
    ),
    Kind(
        "compared",
        _compared,
        (
            "{who} has {a} {things}. {friend} has {b} more than {who}. How many {things} do they"
            " have together?",
            "{who} read {a} pages on Monday and {b} pages more than that on Tuesday. How many pages"
            " is that on both days?",
        ),
    ),
)


def _propose(rng: Random) -> tuple[Kind, Numbers]:
    kind = rng.choice(KINDS)
    return kind, kind.propose(rng)


def _operands(drawn: tuple[Kind, Numbers]) -> tuple[object, ...]:
    kind, numbers = drawn
    return kind.name, numbers.a, numbers.b, numbers.c


def lesson(rng: Random, split: Split) -> Lesson:
    """One problem of any kind."""
    kind, numbers = draw(rng, split, _propose, _operands)
    who, friend = rng.sample(PEOPLE, 2)
    question = rng.choice(kind.stories).format(
        who=who,
        friend=friend,
        things=rng.choice(THINGS),
        a=numbers.a,
        b=numbers.b,
        c=numbers.c,
    )
    reply = f"{numbers.first}. {numbers.second}. The answer is {numbers.result}."
    return Lesson(question, str(numbers.result), reply, ("arithmetic", "word problem"))


SKILL = LessonSkill(
    "problems", "Solve a word problem of two arithmetic steps.", "number", 64, lesson
)
