"""Adding and subtracting whole numbers from 0 to 99."""

from __future__ import annotations

from random import Random

from experts.zoo.skills.base import Example, Skill, Split, draw

LARGEST = 99

ADDITION = (
    "What is {a} + {b}?",
    "What is {a} plus {b}?",
    "How much is {a} + {b}?",
    "How much is {a} plus {b}?",
    "Add {a} and {b}.",
    "Add {b} to {a}.",
    "Compute {a} + {b}.",
    "Calculate {a} plus {b}.",
    "What is the sum of {a} and {b}?",
    "Find the sum of {a} and {b}.",
    "{a} + {b} = ?",
    "Work out {a} + {b}.",
    "I have {a} apples and buy {b} more. How many apples do I have now?",
)
SUBTRACTION = (
    "What is {a} - {b}?",
    "What is {a} minus {b}?",
    "How much is {a} - {b}?",
    "How much is {a} minus {b}?",
    "Subtract {b} from {a}.",
    "Take {b} away from {a}.",
    "Compute {a} - {b}.",
    "Calculate {a} minus {b}.",
    "What is the difference between {a} and {b}?",
    "Find the difference between {a} and {b}.",
    "{a} - {b} = ?",
    "Work out {a} - {b}.",
    "I have {a} apples and eat {b} of them. How many apples do I have now?",
)


def draw_operands(rng: Random, split: Split) -> tuple[int, int]:
    """Draw two operands; both orders of a pair belong to one split."""
    return draw(
        rng,
        split,
        lambda r: (r.randint(0, LARGEST), r.randint(0, LARGEST)),
        lambda pair: sorted(pair),
    )


def sample(rng: Random, split: Split) -> Example:
    """Sample an addition or a subtraction with a result of at least 0."""
    a, b = draw_operands(rng, split)
    if rng.random() < 0.5:
        question = rng.choice(ADDITION).format(a=a, b=b)
        return Example(question, str(a + b), ("arithmetic", "addition"))
    a, b = max(a, b), min(a, b)
    question = rng.choice(SUBTRACTION).format(a=a, b=b)
    return Example(question, str(a - b), ("arithmetic", "subtraction"))


SKILL = Skill("arithmetic", "Add and subtract whole numbers from 0 to 99.", sample)
