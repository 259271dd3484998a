"""Numbers in English words as digits, so that "eight" and "8" are one answer. Pure."""

import re
from decimal import Decimal

_SMALL = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
        " fifteen sixteen seventeen eighteen nineteen".split()
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2
    )
}
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_VALUES = {**_SMALL, **_TENS, "fourty": 40}

_ONES = "|".join(list(_SMALL)[1:10])
_BELOW_100 = (
    rf"(?:(?:{'|'.join([*_TENS, 'fourty'])})(?:[\s-](?:{_ONES}))?\b|(?:{'|'.join(_SMALL)})\b)"
)
_BELOW_1000 = (
    rf"(?:(?:{_BELOW_100}|\ban?)\s(?:hundred)\b(?:\s(?:and\s)?{_BELOW_100})?|{_BELOW_100})"
)
_MORE = rf"(?:,?\s(?:and\s)?{_BELOW_1000})"
_SPOKEN = re.compile(
    rf"\b(?<!-)(?:(?P<minus>minus|negative)\s)?(?P<words>"
    rf"(?:{_BELOW_1000}|an?)\s(?:million|billion)\b(?:,?\s{_BELOW_1000}\sthousand\b)?{_MORE}?"
    rf"|(?:{_BELOW_1000}|an?)\sthousand\b{_MORE}?"
    rf"|{_BELOW_1000})(?!-)",
    re.IGNORECASE,
)
_SCALED = re.compile(
    r"(?<![\w.,])(\d[\d,]*(?:\.\d+)?)\s(hundred|thousand|million|billion)\b", re.IGNORECASE
)
_PRONOUN_BEFORE = re.compile(
    r"\b(?:no|any|every|each|this|that|the|which|either|only|some|another|right|correct)\s$",
    re.IGNORECASE,
)
_PRONOUN_AFTER = re.compile(r"\s(?:of|who|that|which|can|could|must|should|might|may|would)\b")
_LAST_CHARACTERS = 16
_WORD = re.compile(r"[a-z]+")


def with_digits(text: str) -> str:
    """The text with numbers in words as digits: "twenty-one" is "21", "5 million" is "5000000".

    "One" as a pronoun stays a word, as in "one of them" or "no one".
    """
    return _SCALED.sub(_scaled, _SPOKEN.sub(_spoken, text))


def _spoken(found: re.Match[str]) -> str:
    said = _WORD.findall(found["words"].casefold())
    if said == ["one"] and _is_pronoun(found):
        return found[0]
    total, group = 0, 0
    for word in said:
        if word in ("a", "an"):
            group = 1
        elif word == "hundred":
            group *= 100
        elif word in _SCALES:
            total, group = total + group * _SCALES[word], 0
        elif word != "and":
            group += _VALUES[word]
    return f"{'-' if found['minus'] else ''}{total + group}"


def _is_pronoun(found: re.Match[str]) -> bool:
    before = found.string[max(0, found.start() - _LAST_CHARACTERS) : found.start()]
    return bool(_PRONOUN_BEFORE.search(before) or _PRONOUN_AFTER.match(found.string, found.end()))


def _scaled(found: re.Match[str]) -> str:
    value = Decimal(found[1].replace(",", "") or "0") * _SCALES[found[2].casefold()]
    return f"{value.normalize():f}"
