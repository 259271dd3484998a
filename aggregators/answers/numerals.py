"""Numbers in English words as digits, so that "eight" and "8" are one answer. Pure."""

import re
from decimal import Decimal

from aggregators.answers.fractions import with_fractions, with_parts

_SMALL = dict(
    zero=0, one=1, two=2, three=3, four=4, five=5, six=6, seven=7, eight=8, nine=9, ten=10,
    eleven=11, twelve=12, thirteen=13, fourteen=14, fifteen=15, sixteen=16, seventeen=17,
    eighteen=18, nineteen=19,
)  # fmt: skip
_TENS = dict(
    twenty=20, thirty=30, forty=40, fourty=40, fifty=50, sixty=60, seventy=70, eighty=80, ninety=90
)
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_VALUES = _SMALL | _TENS

_ONES = "|".join(list(_SMALL)[1:10])
_BELOW_100 = rf"(?:(?:{'|'.join(_TENS)})(?:[\s-](?:{_ONES}))?\b|(?:{'|'.join(_SMALL)})\b)"
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
_LOOK_BACK = 16
_WORD = re.compile(r"[a-z]+")


def with_digits(text: str) -> str:
    """The text with numbers in words as digits: "twenty-one" is "21", "5 million" is "5000000".

    Fractions and mixed numbers are numbers, too: "three and a half" is "3.5".

    "One" as a pronoun stays a word, as in "one of them" or "no one".
    """
    spoken = with_parts(with_fractions(_SPOKEN.sub(_spoken, text)))
    return _SCALED.sub(_scaled, spoken)


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
    before = found.string[max(0, found.start() - _LOOK_BACK) : found.start()]
    return bool(_PRONOUN_BEFORE.search(before) or _PRONOUN_AFTER.match(found.string, found.end()))


def _scaled(found: re.Match[str]) -> str:
    value = Decimal(found[1].replace(",", "") or "0") * _SCALES[found[2].casefold()]
    return f"{value.normalize():f}"
