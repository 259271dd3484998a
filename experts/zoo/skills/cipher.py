"""Moving every letter of a quoted word one place on in the alphabet."""

from __future__ import annotations

from random import Random
from string import ascii_lowercase

from experts.zoo.skills.base import Example, Skill, Split, draw
from experts.zoo.skills.words import pseudo_word

SHIFTED = str.maketrans(ascii_lowercase, ascii_lowercase[1:] + ascii_lowercase[0])

PHRASINGS = (
    'Shift every letter of "{word}" by one.',
    'Shift each letter of the word "{word}" by one in the alphabet.',
    'Encode "{word}" with the next letter cipher.',
    'Encode "{word}" by moving each letter one place forward.',
    'Encrypt "{word}" with a shift of one.',
    'Apply the shift cipher to "{word}".',
    'Replace each letter of "{word}" by the next letter of the alphabet.',
    'Replace every letter of "{word}" with the one after it.',
    'Move every letter of "{word}" one place forward in the alphabet.',
    'What is the secret code for "{word}" with a shift of one?',
    'What does "{word}" become when every letter is shifted by one?',
    'Write "{word}" in the secret code that uses the next letter.',
)


def sample(rng: Random, split: Split) -> Example:
    """Sample a word to shift; its split is the one it has for the strings skill."""
    word = draw(rng, split, pseudo_word, lambda text: (text,))
    question = rng.choice(PHRASINGS).format(word=word)
    return Example(question, word.translate(SHIFTED), ("cipher", "shift"))


SKILL = Skill("cipher", "Shift every letter of a quoted word by one.", sample)
