"""Instructions about how many words, sentences and paragraphs there are. Pure."""

import re

from evals.scoring.instructions.wording import Relation, holds

_WORD = re.compile(r"\w+")
_STOP = re.compile(
    r"""[.!?\u3002\uff01\uff1f\u0964\u061f]+["'\u201d\u2019)\]*_]*(?=\s|$|[\u3040-\u9fff])"""
)
_NO_END = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|sr|jr|st|vs|etc|e\.g|i\.e|inc|ltd|co|no|fig|approx|dept|gen|col"
    r"|capt|lt|rev|hon|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|ph\.d|u\.s|a\.m|p\.m)"
    r"|(?:^|\s)[a-z]|(?:^|\n)\s*\d+)\.$",
    re.IGNORECASE,
)
"""What a full stop follows that ends no sentence: abbreviations, initials, numbers of a list."""
_PARTED = re.compile(r"\s?\*\*\*\s?")
_FIRST_WORD = re.compile(r"""["']*([^.,?!'"\s]*)""")


def words(text: str, *, num_words: int, relation: Relation) -> bool:
    """So many words."""
    return holds(relation, len(_WORD.findall(text)), num_words)


def sentences(text: str, *, num_sentences: int, relation: Relation) -> bool:
    """So many sentences."""
    return holds(relation, count_sentences(text), num_sentences)


def count_sentences(text: str) -> int:
    """Stretches of text with a word in them that end with a full stop, or with the text."""
    count, start = 0, 0
    for stop in _STOP.finditer(text):
        piece = text[start : stop.end()]
        if _WORD.search(piece) and not _NO_END.search(piece):
            count += 1
            start = stop.end()
    return count + bool(_WORD.search(text[start:]))


def paragraphs(text: str, *, num_paragraphs: int) -> bool:
    """Exactly so many, parted by `***`; only before the first and after the last may be none."""
    parts = [part.strip() for part in _PARTED.split(text)]
    inside = parts[1:-1]
    return all(inside) and sum(map(bool, parts)) == num_paragraphs


def first_word(text: str, *, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    """Exactly so many paragraphs, parted by empty lines, of which one begins with a word."""
    parts = [part.strip() for part in text.split("\n\n")]
    if sum(map(bool, parts)) != num_paragraphs or not 0 < nth_paragraph <= num_paragraphs:
        return False
    paragraph = parts[nth_paragraph - 1]
    found = _FIRST_WORD.match(paragraph)
    return bool(paragraph) and found is not None and found[1].lower() == first_word.lower()
