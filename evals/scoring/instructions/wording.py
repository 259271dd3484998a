"""Instructions about words, letters, capitals and the language. Pure."""

import re
from typing import Literal

from evals.scoring.instructions.language import written_in

Relation = Literal["at least", "less than"]
_TOKEN = re.compile(r"\w+(?:[-'\u2019.]\w+)*")


def holds(relation: Relation, count: int, number: int) -> bool:
    """Whether a count is as the relation wants it."""
    return count >= number if relation == "at least" else count < number


def existence(text: str, *, keywords: list[str]) -> bool:
    """Every keyword is there, be it inside a word."""
    low = text.lower()
    return all(keyword.lower() in low for keyword in keywords)


def frequency(text: str, *, keyword: str, frequency: int, relation: Relation) -> bool:
    """A keyword is there so often, be it inside words."""
    return holds(relation, text.lower().count(keyword.strip().lower()), frequency)


def forbidden(text: str, *, forbidden_words: list[str]) -> bool:
    """None of the words is there as a whole word."""
    return not any(
        re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in forbidden_words
    )


def letter_frequency(text: str, *, letter: str, let_frequency: int, let_relation: Relation) -> bool:
    """A letter, large or small, is there so often."""
    return holds(let_relation, text.lower().count(letter.strip().lower()), let_frequency)


def capital_words(text: str, *, capital_frequency: int, capital_relation: Relation) -> bool:
    """So many words are written in capitals throughout; "A" is one of them."""
    count = sum(word.isupper() for word in _TOKEN.findall(text))
    return holds(capital_relation, count, capital_frequency)


def english_capitals(text: str) -> bool:
    """English, with no small letter."""
    return text.isupper() and written_in(text, "en")


def english_small(text: str) -> bool:
    """English, with no capital letter."""
    return text.islower() and written_in(text, "en")


def response_language(text: str, *, language: str) -> bool:
    """All of it is in a language, given by its ISO 639-1 code. Raises ValueError for others."""
    return written_in(text, language)


def no_comma(text: str) -> bool:
    """There is no comma; those of other scripts do not count."""
    return "," not in text
