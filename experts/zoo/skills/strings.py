"""Taking quoted words apart and writing them another way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from experts.zoo.skills.base import Example, Skill, Split, draw
from experts.zoo.skills.words import pseudo_word


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to do with a word, and the ways to ask for it."""

    name: str
    apply: Callable[[str], str]
    phrasings: tuple[str, ...]


REVERSE = Operation(
    "reverse",
    lambda word: word[::-1],
    (
        'Reverse "{word}".',
        'Reverse the word "{word}".',
        'Write "{word}" backwards.',
        'Write the word "{word}" backwards.',
        'Spell "{word}" backwards.',
        'What is "{word}" backwards?',
        'What is "{word}" written backwards?',
        'How do you write "{word}" from right to left?',
        'Turn the letters of "{word}" around.',
        'Read "{word}" from the end to the start.',
        'Put the letters of "{word}" in reverse order.',
    ),
)
OPERATIONS = (
    REVERSE,
    Operation(
        "first letter",
        lambda word: word[0],
        (
            'What is the first letter of "{word}"?',
            'Which letter does "{word}" start with?',
            'Give the first letter of the word "{word}".',
            'With which letter does "{word}" begin?',
        ),
    ),
    Operation(
        "last letter",
        lambda word: word[-1],
        (
            'What is the last letter of "{word}"?',
            'Which letter does "{word}" end with?',
            'Give the last letter of the word "{word}".',
            'With which letter does the word "{word}" end?',
        ),
    ),
    Operation(
        "first letters",
        lambda word: word[:2],
        (
            'What are the first two letters of "{word}"?',
            'Which two letters does "{word}" start with?',
            'Give the first two letters of the word "{word}".',
        ),
    ),
    Operation(
        "last letters",
        lambda word: word[-2:],
        (
            'What are the last two letters of "{word}"?',
            'Which two letters does "{word}" end with?',
            'Give the last two letters of the word "{word}".',
        ),
    ),
    Operation(
        "remove first",
        lambda word: word[1:],
        (
            'Remove the first letter of "{word}".',
            'Write "{word}" without its first letter.',
            'Drop the first letter of the word "{word}".',
            'What is left of "{word}" without the first letter?',
        ),
    ),
    Operation(
        "remove last",
        lambda word: word[:-1],
        (
            'Remove the last letter of "{word}".',
            'Write "{word}" without its last letter.',
            'Drop the last letter of the word "{word}".',
            'What is left of "{word}" without the last letter?',
        ),
    ),
    Operation(
        "upper case",
        str.upper,
        (
            'Write "{word}" in capital letters.',
            'Write the word "{word}" in upper case.',
            'Put "{word}" in capitals.',
            'What is "{word}" in upper case?',
        ),
    ),
    Operation(
        "repeat",
        lambda word: word * 2,
        (
            'Write "{word}" twice without a space.',
            'Repeat "{word}" two times without a space.',
            'Repeat the word "{word}" twice.',
            'What is "{word}" written two times in a row?',
        ),
    ),
)


def text_to_change(rng: Random) -> str:
    """Mostly a lower-case word, at times a capitalised one or a number."""
    kind = rng.random()
    if kind < 0.1:
        return str(rng.randint(10, 999))
    word = pseudo_word(rng)
    return word.capitalize() if kind < 0.25 else word


def sample(rng: Random, split: Split) -> Example:
    """Sample an operation on a word; reversing, the hardest one, comes most often."""
    word = draw(rng, split, text_to_change, lambda text: (text.lower(),))
    operation = REVERSE if rng.random() < 0.25 else rng.choice(OPERATIONS)
    question = rng.choice(operation.phrasings).format(word=word)
    return Example(question, operation.apply(word), ("strings", operation.name))


SKILL = Skill("strings", "Reverse, cut, repeat and capitalise quoted words.", sample)
