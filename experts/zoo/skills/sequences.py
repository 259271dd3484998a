"""Continuing arithmetic progressions."""

from __future__ import annotations

from random import Random

from experts.zoo.skills.base import Example, Skill, Split, draw

LARGEST_START, LARGEST_STEP, TERMS = 299, 9, 4

PHRASINGS = (
    "What comes next: {terms}?",
    "What comes next in the sequence {terms}?",
    "What is the next number: {terms}?",
    "What is the next number in {terms}?",
    "Continue the sequence {terms}.",
    "Continue: {terms}.",
    "Which number follows {terms}?",
    "Which number comes after {terms}?",
    "Give the next term of {terms}.",
    "Find the next term: {terms}.",
    "Complete the pattern {terms}.",
    "Extend the series {terms} by one number.",
)


def propose(rng: Random) -> tuple[int, int]:
    """Propose a start and a step that keep every term at 0 or more."""
    while True:
        start = rng.randint(0, LARGEST_START)
        step = rng.choice((-1, 1)) * rng.randint(1, LARGEST_STEP)
        if start + TERMS * step >= 0:
            return start, step


def sample(rng: Random, split: Split) -> Example:
    """Sample a progression."""
    start, step = draw(rng, split, propose, lambda drawn: drawn)
    terms = ", ".join(str(start + index * step) for index in range(TERMS))
    question = rng.choice(PHRASINGS).format(terms=terms)
    return Example(question, str(start + TERMS * step), ("sequences", "progression"))


SKILL = Skill("sequences", "Give the next number of an arithmetic progression.", sample)
