"""What chat models say in sentences, read as short answers that can be compared. Pure.

An option's letter where the question lists options, a number where it asks for one, yes or no, a
conclusion that is marked as such, or what a short sentence says beyond the words of its question:
"Lima", "It is Lima." and "The capital of Peru is Lima." are one answer.
"""

import re
from collections.abc import Sequence

from aggregators.answers.clauses import begins_with_a_reason, main_clauses
from aggregators.answers.dates import with_values
from aggregators.answers.extraction import plain
from aggregators.answers.mentions import mentions
from aggregators.answers.numbers import number
from aggregators.answers.numerals import with_digits
from aggregators.answers.options import choice
from aggregators.answers.places import boxed, conclusion
from aggregators.answers.units import with_unit, without_units
from aggregators.answers.values import NUMBER, number_value
from aggregators.answers.writing import joined, normal

LONGEST = 20_000
LONGEST_SENTENCE = 25
"""Words of a sentence that may be a short answer with words around it."""
LONGEST_ANSWER = 4
"""Words of a short answer."""
LONGEST_TEXT = 60
"""Words of a text whose first sentence may be its answer without being announced as such."""

_OPTIONS = re.compile(r"(?:^|\s)\(?[A-J][).:](?=\s)")
_LISTED = re.compile(r"^\W*([A-J])[).:](?=\s|$)")
_SPOKEN_OF = re.compile(
    r"(?:^\W*|(?:\bnot|n't|\bn?or|\bn?either|\boption|\bbetween)\s+\W?)(?!A\s+[a-z])(?-i:[A-HJ])\b(?!')"
    r"|\b(?-i:[A-HJ])\s+(?:is|are|and|n?or)\b",
    re.IGNORECASE,
)
"""An option that is named, and no article."""
_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|long|far|old|tall|high|deep|wide|heavy|fast|often)\b"
    r"|\bwhat number\b|\b(?:calculate|compute|evaluate|add|subtract|multiply|divide|convert)\b"
    r"|\b(?:sum|product|difference|quotient|remainder|percentage|total|average)\b"
    r"|\d\s*[-+*/\u00d7\u00f7^=\u2212]\s*\d",
    re.IGNORECASE,
)
_ASKS_YES = re.compile(
    r"(?:is|are|was|were|do|does|did|can|could|has|have|had|will|would|should|may|might|must)\b",
    re.IGNORECASE,
)
_ASKS_TEXT = re.compile(
    r"\b(?:why|explain|describe|discuss|summari[sz]e|write|compose|draft|rewrite|suggest|brainstorm"
    r"|essay|poem|story|how (?:do|does|did|can|could|should|would|to|is|are))\b",
    re.IGNORECASE,
)
"""Questions that a few words do not answer: what stands first is no conclusion."""
_OPENING = re.compile(
    r"(?:sure|certainly|of course|absolutely|definitely|okay|ok|alright|hello|hi|hey|thanks"
    r"|thank you|no problem|got it|understood)(?:\s+(?:thing|there|you))?[!.,]*$"
    r"|(?:great|good|excellent|interesting|nice) question\b|let'?s\b|let me\b|let us\b"
    r"|(?:i'?m|i am) (?:happy|glad|sorry)\b|i'?d be happy\b|happy to\b|sorry\b|as an ai\b"
    r"|here(?:'s| is| are)\b[^.!?]*:$|step \d+\b|(?:to|in order to) \w+\b[^.!?]*:$",
    re.IGNORECASE,
)
"""How chat models begin before they say anything."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(
    r"\b\d{1,2}:\d{2}\b|\b\d{1,2}/\d{1,2}/\d{4}\b|"
    rf"{NUMBER.pattern}|\w+(?:['\u2019]\w+)?",
    re.VERBOSE,
)
_EMPTY = frozenset(
    """
    a an the is are was were be been it its it's this that these those of in on at to for and or by
    with as from has have had there here so thus therefore hence final answer answers correct right
    result i i'd think believe my you your they he she his her their we our would will equals makes
    """.split()  # noqa: SIM905 (a list of sixty strings is no easier to read)
)
"""Words that say nothing by themselves. Negations are none of them."""

_STATES = re.compile(r"\b(?:is|are|was|were)\b|['\u2019]s\b|\d", re.IGNORECASE)
"""What a conclusion has: it names a thing, or a number."""

_TRUTHS = {
    ("true",): "true",
    ("false",): "false",
    ("not", "true"): "false",
    ("isn't", "true"): "false",
    ("not", "false"): "true",
}


def short_answers(question: str, texts: Sequence[str]) -> list[str | None]:
    """What each text answers, equal where answers are; None where it cannot be read.

    A text that cannot be read but mentions exactly one of the others' short answers gives that one.
    """
    texts = [with_values(normal(text[-LONGEST:])) for text in texts]
    found = without_units([_read(question, text) for text in texts])
    known = tuple(dict.fromkeys(label for label in found if label is not None))
    return [
        _mentioned(text, known) if label is None else label
        for text, label in zip(texts, found, strict=True)
    ]


def words(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, numbers and dates in one spelling; without "'s"."""
    said = with_digits(with_values(normal(text)))
    return tuple(_tidy(found[0]) for found in _WORD.finditer(said))


def sentence(text: str) -> str:
    """The first sentence or line that is not blank, and says more than that one follows."""
    parts = [part.strip() for part in _SENTENCE.split(text.strip()) if part.strip()]
    said = (part for part in parts if not _OPENING.match(part.replace("\u2019", "'").lstrip("*_ ")))
    return next(said, parts[0] if len(parts) == 1 else "")


def beyond(question: str, text: str) -> tuple[str, ...]:
    """The words of a text that say something and are not in the question."""
    asked = frozenset(words(question))
    return tuple(word for word in words(text) if word not in asked and word not in _EMPTY)


def _read(question: str, text: str) -> str | None:
    if len(_OPTIONS.findall(question)) >= 2:
        if letter := _option(text):
            return letter
        if _SPOKEN_OF.search(text):
            return None  # Options are spoken of, and which one is meant cannot be read.
    if _ASKS_NUMBER.search(question) and (value := number(text)) is not None:
        return with_unit(value, with_digits(text))
    first = _first(text)
    if _ASKS_YES.match(question.strip()) and (said := words(first)[:1]) in (("yes",), ("no",)):
        return said[0]
    if (truth := _truth(first)) is not None:
        return truth
    marked = boxed(text) or conclusion(text) or conclusion(first)
    if marked and (label := _short(question, main_clauses(sentence(marked)))):
        return label
    if _ASKS_TEXT.search(question) or len(text.split()) > LONGEST_TEXT:
        return None
    if begins_with_a_reason(sentence(text)) and not _STATES.search(first):
        return None  # Prose that explains: without its reasons, it says something else.
    return _short(question, first)


def _first(text: str) -> str:
    """What the first sentence says; nothing where a list, a heading or a program begins."""
    first = main_clauses(sentence(text))
    if "\n" in text.strip() and not first.endswith((".", "!", "?")):
        return ""
    whole = joined(first)
    return whole if len(NUMBER.findall(whole)) == 1 else first


def _truth(said: str) -> str | None:
    """What "That is true." and "It's not true." say; None for any other sentence."""
    core = tuple(word for word in words(said) if word not in _EMPTY | {"statement", "claim"})
    return _TRUTHS.get(core)


def _option(text: str) -> str | None:
    listed = _LISTED.match(text)
    return choice(text) or (listed[1] if listed else None)


def _short(question: str, said: str) -> str | None:
    """What a sentence says in at most a few words; None for one that says more, or nothing."""
    count = len(words(said))
    if not count or count > LONGEST_SENTENCE:
        return None
    core = beyond(question, said)
    if 0 < len(core) <= LONGEST_ANSWER:
        return " ".join(core)
    # A list, or one of the things that the question names: its order counts, and no word of it may
    # be left out. A sentence without anything new says more than that.
    whole = _EMPTY.isdisjoint(words(said)) or (not core and count < LONGEST_ANSWER)
    return plain(said).strip("*_`'\" ") or None if whole else None


def _mentioned(text: str, known: Sequence[str]) -> str | None:
    """The only one of the known answers that a text mentions."""
    said = sentence(text)
    found = [label for label in known if not _is_letter(label) and mentions(said, label)]
    return found[0] if len(found) == 1 else None


def _is_letter(label: str) -> bool:
    """An option's letter: in a sentence, "a" is an article."""
    return len(label) == 1 and label.isalpha()


def _tidy(word: str) -> str:
    low = word.casefold().replace("\u2019", "'").removesuffix("'s")
    return number_value(low) or low if NUMBER.fullmatch(low) else low
