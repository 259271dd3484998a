"""Questions whose second part needs another specialist than their first."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from experts.zoo.skills import (
    arithmetic,
    cipher,
    geography,
    logic,
    sequences,
    translation,
)
from experts.zoo.skills.base import Example, Skill, Split
from experts.zoo.skills.roman import to_roman

LONGEST_WORD = 9

BACKWARDS = (
    "Then write the result backwards.",
    "Then reverse the result.",
    "Then spell the answer backwards.",
)
ROMAN = (
    "Then write the result in Roman numerals.",
    "Then give the answer as a Roman numeral.",
)
CAPITALS = ("Then write the answer in capital letters.", "Then put the result in capitals.")
FIRST_LETTER = ("Then give the first letter of the answer.", "Then take its first letter.")
SHIFT = ("Then shift every letter of the result by one.",)

Transform = Callable[[str], str]


def shift(word: str) -> str:
    """Move every letter one place on."""
    return word.translate(cipher.SHIFTED)


def roman(number: str) -> str:
    """Write a number in Roman numerals."""
    return to_roman(int(number))


# The first skill, the second, the ways to ask for the second part, and what it does.
PAIRS: tuple[tuple[Skill, str, tuple[str, ...], Transform], ...] = (
    (arithmetic.SKILL, "strings", BACKWARDS, lambda text: text[::-1]),
    (arithmetic.SKILL, "roman", ROMAN, roman),
    (geography.SKILL, "strings", BACKWARDS, lambda text: text[::-1]),
    (geography.SKILL, "strings", CAPITALS, str.upper),
    (translation.SKILL, "strings", BACKWARDS, lambda text: text[::-1]),
    (translation.SKILL, "strings", FIRST_LETTER, lambda text: text[0]),
    (translation.SKILL, "cipher", SHIFT, shift),
    (logic.SKILL, "roman", ROMAN, roman),
    (sequences.SKILL, "strings", BACKWARDS, lambda text: text[::-1]),
)


def suits(answer: str, second: str) -> bool:
    """Tell whether the second specialist was trained on texts like this one."""
    if second == "roman":
        return answer.isdecimal() and int(answer) > 0
    if second == "cipher":
        return answer.isascii() and answer.isalpha() and answer.islower()
    return answer.isascii() and answer.isalnum() and 2 <= len(answer) <= LONGEST_WORD


def sample(rng: Random, split: Split) -> Example:
    """Sample a pair of skills; the first part decides the split."""
    first, second, phrasings, transform = rng.choice(PAIRS)
    while True:
        example = first.sample(rng, split)
        if suits(example.answer, second):
            break
    question = f"{example.question} {rng.choice(phrasings)}"
    answer = f"{example.answer} ; {transform(example.answer)}"
    return Example(question, answer, (first.name, second))


SKILL = Skill("two_skill", 'Two questions in one, answered as "first ; second".', sample)
