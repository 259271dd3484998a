"""English words in three languages; the test asks in phrasings unseen in training."""

from __future__ import annotations

from random import Random

from experts.zoo.skills.base import Example, Phrasings, Skill, Split
from experts.zoo.skills.translation_facts import LANGUAGES, WORDS

PHRASINGS = Phrasings(
    train=(
        'Translate "{word}" into {language}.',
        'What is the {language} word for "{word}"?',
        'How do you say "{word}" in {language}?',
        'What is "{word}" in {language}?',
        'Say "{word}" in {language}.',
        'Give the {language} translation of "{word}".',
        'In {language}, what is the word for "{word}"?',
        'Translate the English word "{word}" to {language}.',
        'Which {language} word means "{word}"?',
        'What do the speakers of {language} call "{word}"?',
        'How is "{word}" called in {language}?',
        'Tell me the {language} for "{word}".',
        'What does "{word}" become in {language}?',
        'Write "{word}" in {language}.',
        'Can you write "{word}" in {language}?',
        'Can you translate "{word}" into {language}?',
        'Please say "{word}" in {language}.',
        'Name the word for "{word}" in {language}.',
        'Translate "{word}" from English to {language}.',
    ),
    probe=('Please translate "{word}" to {language}.', 'Name the {language} word for "{word}".'),
    test=(
        'Translate the word "{word}" into {language}.',
        'What is the {language} translation of "{word}"?',
        'Give the {language} word for "{word}".',
        'How do you write "{word}" in {language}?',
    ),
)


def sample(rng: Random, split: Split) -> Example:
    """Sample a word and a language in a phrasing of the split."""
    english, *translations = rng.choice(WORDS)
    index = rng.randrange(len(LANGUAGES))
    language = LANGUAGES[index]
    question = PHRASINGS.choose(rng, split).format(word=english, language=language)
    return Example(question, translations[index], ("translation", language))


SKILL = Skill("translation", "English words in French, German and Spanish.", sample)
