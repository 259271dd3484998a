"""Roman numerals from 1 to 399."""

from __future__ import annotations

from random import Random

from experts.zoo.skills.base import Example, Skill, Split, draw

LARGEST = 399
SYMBOLS = (
    *((100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X")),
    *((9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)

TO_ROMAN = (
    "Write {n} in Roman numerals.",
    "Write the number {n} as a Roman numeral.",
    "What is {n} in Roman numerals?",
    "What is the Roman numeral for {n}?",
    "Convert {n} to Roman numerals.",
    "Convert the number {n} into a Roman numeral.",
    "Give the Roman numeral of {n}.",
    "How do you write {n} in Roman numerals?",
    "How did the Romans write {n}?",
    "Express {n} as a Roman numeral.",
)
FROM_ROMAN = (
    'What number is "{n}"?',
    'Which number is the Roman numeral "{n}"?',
    'What number is the Roman numeral "{n}"?',
    'Convert "{n}" from Roman numerals.',
    'Convert the Roman numeral "{n}" to a number.',
    'Write the Roman numeral "{n}" in digits.',
    'Write "{n}" in digits.',
    'What does the Roman numeral "{n}" mean?',
    'What is the value of the Roman numeral "{n}"?',
    'Read the Roman numeral "{n}".',
)


def to_roman(number: int) -> str:
    """Write a number in Roman numerals."""
    numeral = ""
    for value, symbol in SYMBOLS:
        count, number = divmod(number, value)
        numeral += symbol * count
    return numeral


def sample(rng: Random, split: Split) -> Example:
    """Sample a number to write or to read."""
    number = draw(rng, split, lambda r: r.randint(1, LARGEST), lambda drawn: (drawn,))
    numeral = to_roman(number)
    if rng.random() < 0.5:
        return Example(
            rng.choice(TO_ROMAN).format(n=number), numeral, ("roman", "writing numerals")
        )
    return Example(
        rng.choice(FROM_ROMAN).format(n=numeral), str(number), ("roman", "reading numerals")
    )


SKILL = Skill("roman", "Write and read Roman numerals from 1 to 399.", sample)
