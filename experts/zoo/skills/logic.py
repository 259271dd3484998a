"""Comparing numbers, sorting them, and ordering people from two premises."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from experts.zoo.skills.base import Example, Skill, Split, draw

LARGEST = 99
NAMES = (
    *("Anna", "Ben", "Carl", "Dora", "Emil", "Frida"),
    *("Gus", "Hanna", "Ivan", "Julia", "Karl", "Lena"),
)
# More, most, least.
SCALES = (
    ("taller", "tallest", "shortest"),
    ("older", "oldest", "youngest"),
    ("faster", "fastest", "slowest"),
)

LARGER_OF_TWO = (
    "Which is larger, {a} or {b}?",
    "Which number is larger, {a} or {b}?",
    "Which is bigger, {a} or {b}?",
    "Which number is greater: {a} or {b}?",
    "What is the larger of {a} and {b}?",
    "Give the greater of {a} and {b}.",
)
SMALLER_OF_TWO = (
    "Which is smaller, {a} or {b}?",
    "Which number is smaller, {a} or {b}?",
    "Which is less, {a} or {b}?",
    "Which number is lower: {a} or {b}?",
    "What is the smaller of {a} and {b}?",
    "Give the lesser of {a} and {b}.",
)
LARGEST_OF_THREE = (
    "What is the largest of {a}, {b} and {c}?",
    "Which is the largest number: {a}, {b} or {c}?",
    "Find the maximum of {a}, {b} and {c}.",
    "Give the biggest number among {a}, {b}, {c}.",
)
SMALLEST_OF_THREE = (
    "What is the smallest of {a}, {b} and {c}?",
    "Which is the smallest number: {a}, {b} or {c}?",
    "Find the minimum of {a}, {b} and {c}.",
    "Give the lowest number among {a}, {b}, {c}.",
)
ASCENDING = (
    "Sort {a}, {b}, {c}.",
    "Sort {a}, {b}, {c} from smallest to largest.",
    "Put {a}, {b}, {c} in ascending order.",
    "Order the numbers {a}, {b}, {c} from low to high.",
)
DESCENDING = (
    "Sort {a}, {b}, {c} from largest to smallest.",
    "Put {a}, {b}, {c} in descending order.",
    "Order the numbers {a}, {b}, {c} from high to low.",
)
# No question starts with a name: after a space each is one token, at the start it is several.
PEOPLE = (
    "Who is the {most}? {premises}",
    "Who is {most}? {premises}",
    "Which of them is the {most}? {premises}",
    "Name the {most} one. {premises}",
    "We know that {premises} Who is the {most}?",
    "Suppose that {premises} Which of them is the {most}?",
)


def draw_numbers(rng: Random, split: Split, count: int) -> list[int]:
    """Draw distinct numbers in random order; all orders belong to one split."""
    return draw(rng, split, lambda r: r.sample(range(LARGEST + 1), count), sorted)


def two_numbers(rng: Random, split: Split) -> Example:
    """Ask for the larger or smaller of two numbers."""
    a, b = draw_numbers(rng, split, 2)
    larger = rng.random() < 0.5
    question = rng.choice(LARGER_OF_TWO if larger else SMALLER_OF_TWO).format(a=a, b=b)
    return Example(question, str(max(a, b) if larger else min(a, b)), ("logic", "comparison"))


def three_numbers(rng: Random, split: Split) -> Example:
    """Ask for the largest or smallest of three numbers."""
    a, b, c = draw_numbers(rng, split, 3)
    largest = rng.random() < 0.5
    question = rng.choice(LARGEST_OF_THREE if largest else SMALLEST_OF_THREE)
    answer = max(a, b, c) if largest else min(a, b, c)
    return Example(question.format(a=a, b=b, c=c), str(answer), ("logic", "comparison"))


def sorting(rng: Random, split: Split) -> Example:
    """Ask for three numbers in order."""
    a, b, c = draw_numbers(rng, split, 3)
    descending = rng.random() < 0.4
    question = rng.choice(DESCENDING if descending else ASCENDING).format(a=a, b=b, c=c)
    answer = ", ".join(map(str, sorted((a, b, c), reverse=descending)))
    return Example(question, answer, ("logic", "sorting"))


def people(rng: Random, split: Split) -> Example:
    """Ask who is first or last of three people; the premises come in any order."""
    ranked = draw(rng, split, lambda r: r.sample(NAMES, 3), sorted)
    more, most, least = rng.choice(SCALES)
    premises = [f"{upper} is {more} than {lower}." for upper, lower in pairwise(ranked)]
    rng.shuffle(premises)
    first = rng.random() < 0.5
    question = rng.choice(PEOPLE).format(premises=" ".join(premises), most=most if first else least)
    return Example(question, ranked[0] if first else ranked[2], ("logic", "ordering"))


def sample(rng: Random, split: Split) -> Example:
    """Sample one of the four kinds, the hard ones more often."""
    kinds = (two_numbers, three_numbers, sorting, people)
    return rng.choices(kinds, (1, 1, 2, 2))[0](rng, split)


SKILL = Skill("logic", "Compare and sort numbers, order three people.", sample)
