"""The option of a question that an answer chooses, as its letter. Pure.

A letter counts where the answer says that it concludes with it, or where its end, or its very
beginning, names one option and no other. Letters that are only spoken of are no choice.
"""

import re
from collections.abc import Iterator

from aggregators.answers.clauses import main_clauses
from aggregators.answers.places import boxed, conclusions
from aggregators.answers.writing import normal

LAST_OPTION = "R"
"""BIG-Bench Hard lists so many."""

ENDING = 400
"""Characters of the last paragraph in which an option may be named without being announced."""
_SENTENCES = 3
"""As many of its last sentences."""
_WORDS_ALONE = 2

_OPTION = rf"(?!I\s+[a-z])[A-{LAST_OPTION}]"
"""A letter that is an option, and not the pronoun "I"."""
_AFTER = r"(?![A-Za-z0-9'\u2019])"
_CHOICE = re.compile(
    rf"^\W{{0,6}}(?:(?:[Oo]ption|[Cc]hoice|[Ll]etter)\s+)?\W{{0,3}}({_OPTION}){_AFTER}"
)
_SMALL = re.compile(
    rf"^[^\w]{{0,6}}(?:(?:option|choice|letter)\s+)?[*(\[\s]{{0,3}}([a-{LAST_OPTION.lower()}])"
    r"(?:\s?[)\]]|[.:,](?:\s|$)|[*$}\s]*(?:\n|$))",
    re.IGNORECASE,
)
"""A small letter, which must be set off: "a" is also a word."""
_TEXT_MARKUP = re.compile(
    rf"\\(?:text|mathrm|mbox|textbf|mathbf)\{{\s*\(?([A-{LAST_OPTION}])\)?\s*\}}"
)
_NAMED = re.compile(
    rf"[(\[]({_OPTION})[)\]]|\*\*\(?({_OPTION})\b|\b({_OPTION})\*\*"
    rf"|\b(?:[Oo]ption|[Cc]hoice)\s+\W?({_OPTION}){_AFTER}"
    rf"|\b({_OPTION})\s+(?:is|must\s+be|has\s+to\s+be)\s+(?:the\s+)?(?:correct|right|best|answer)\b"
    rf"|\b(?:is|be|are|was|were|called|choose|select|pick)\s+({_OPTION})(?:[.):]|\s*$)"
)
_ALONE = re.compile(rf"^[^\w\n]*({_OPTION})[^\w\n]*$", re.MULTILINE)
_LISTED = re.compile(rf"^[^\w\n]*(?!A:)({_OPTION})[).:]\**(?=\s|$)", re.MULTILINE)
"""As lists of options are written; "A:" announces an answer."""
_ANNOUNCED = re.compile(rf":[*\s]*\n[^\w\n]*({_OPTION})[).:][^\n]*$")
"""The last line, where the one before ends with a colon."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z(*])|\n+")
_BARE = re.compile(
    r"^\W*(?:(?:so|thus|therefore|hence|then|and|but|no|yes|clearly|definitely|certainly)\b[,:]?\s+)*"
    r"(?:(?:i|we)(?:'d|'ll|\s+would|\s+will|\s+must|\s+should)?\s+(?:say|think|go\s+with|go\s+for"
    r"|pick|choose|select|take|guess|get|conclude|believe)(?:\s+that)?\s+)?"
    r"(?:(?:it|that|this)(?:'s|\s+is|\s+must\s+be|\s+has\s+to\s+be|\s+would\s+be)\s+|is\s+)?"
    rf"(?:option\s+|choice\s+)?\W{{0,3}}(?-i:(?!A:)({_OPTION})){_AFTER}\W{{0,3}}"
    r"(?:\s+is)?\W*(?:$|(?<=[;:\u2013\u2014-])\s|(?<=[;:\u2013\u2014-]\s))",
    re.IGNORECASE,
)
"""A sentence of which nothing else is said than an option."""
_BEFORE_DENIED = re.compile(
    r"(?:n't|\bnot|\bcannot|\bnor|\bneither)(?:\s+(?:be|option))?\W*$"
    r"|\bneither\b[^,;]*\s+nor\b[^,;]*$",
    re.IGNORECASE,
)
"""Words that rule out the option behind them."""
_DENIED = re.compile(
    r"\W*(?:(?:is|are|does|do|has|would|can)(?:\s+not|n't)\b|cannot\b"
    r"|is\s+(?:wrong|incorrect|false|too)\b)",
    re.IGNORECASE,
)


def choice(text: str) -> str | None:
    """The letter of the option concluded with; None where none, or more than one, may be meant."""
    text = normal(text)
    for place in _places(text):
        if letter := _at(place):
            return letter
    whole = text.strip()
    ending = main_clauses(whole[-ENDING:])
    for place in (*conclusions(ending), *_alone(ending), *_alone(whole)):
        if letter := _at(place):
            return letter
    return _at_the_end(ending) or _at_the_end(whole) or _at_the_beginning(whole)


def _places(text: str) -> Iterator[str]:
    if (inside := boxed(text)) is not None:
        yield inside
    yield from conclusions(text)


def _alone(text: str) -> Iterator[str]:
    if len(text.split()) <= _WORDS_ALONE:
        yield text


def _at(place: str) -> str | None:
    place = _TEXT_MARKUP.sub(r"\1", place)
    if found := _CHOICE.match(place):
        return found[1]
    if found := _SMALL.match(place):
        return found[1].upper()
    return None


def _at_the_end(text: str) -> str | None:
    """What the last sentences name: the last one that names any decides, and names only one."""
    ending = text[-ENDING:]
    lines = _ALONE.findall(ending)
    if lines and _ALONE.match(ending.rsplit("\n", 1)[-1]):
        return str(lines[-1])
    if announced := _ANNOUNCED.search(ending):
        return announced[1]
    lists = len(set(_LISTED.findall(ending))) > 1
    for sentence in reversed(_SENTENCE.split(ending)[-_SENTENCES:]):
        found = [] if lists and _LISTED.match(sentence) else list(_options_in(sentence))
        if found:
            return found[-1] if len(set(found)) == 1 else None
    return str(lines[-1]) if lines else None


def _options_in(sentence: str) -> Iterator[str]:
    found = _LISTED.match(sentence) or _BARE.match(sentence.replace("\u2019", "'"))
    if found and not _DENIED.match(sentence, found.end()):
        yield found[1]
    for found in _NAMED.finditer(sentence):
        before = _BEFORE_DENIED.search(sentence[: found.end()].rstrip(" .:)")[:-1])
        if not before and not _DENIED.match(sentence, found.end()):
            yield found[found.lastindex or 0]


def _at_the_beginning(text: str) -> str | None:
    """The option that the text begins with, unless it lists others, too."""
    begun = _LISTED.match(text)
    return begun[1] if begun and len(set(_LISTED.findall(text))) == 1 else None
