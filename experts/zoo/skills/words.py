"""Pronounceable words that mean nothing."""

from __future__ import annotations

from random import Random

CONSONANTS = "bcdfghjklmnpqrstvwxyz"
VOWELS = "aeiou"
SHORTEST, LONGEST = 3, 7


def pseudo_word(rng: Random) -> str:
    """Alternate consonants and vowels, now and then doubling the kind of letter."""
    length = rng.randint(SHORTEST, LONGEST)
    vowel = rng.random() < 0.3
    letters = []
    for _ in range(length):
        letters.append(rng.choice(VOWELS if vowel else CONSONANTS))
        if rng.random() < 0.85:
            vowel = not vowel
    return "".join(letters)
