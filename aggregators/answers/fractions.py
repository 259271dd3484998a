"""Mixed numbers and fractions, in words or digits, as one number: "3 1/2" is "3.5". Pure."""

import re

from aggregators.answers.values import number_value

_PARTS = {"half": 2, "halve": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6,
          "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "hundredth": 100}  # fmt: skip
_ABOVE = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
          "seven": 7, "eight": 8, "nine": 9}  # fmt: skip
_BEGIN = r"(?<![\w.,/*^)=-])(?<![\d/+*] )"
_WHOLE = rf"{_BEGIN}(?P<whole>[-\u2212]?\d{{1,6}})"
_SPOKEN = rf"(?P<above>{'|'.join(_ABOVE)}|\d{{1,2}})[\s-](?P<part>{'|'.join(_PARTS)})s?\b(?!-)"
_DIGITS = r"(?P<above>\d{1,3})\s?/\s?(?P<below>\d{1,3})(?![\w/]|\.\d)"
_MIXED = re.compile(
    rf"{_WHOLE}(?:\s+and\s+{_SPOKEN}|(?:\s+and)?\s+{_DIGITS.replace('above', 'over')})",
    re.IGNORECASE,
)
_ALONE = re.compile(
    rf"(?<![\w.,/-])(?:(?P<minus>minus|negative)\s)?{_SPOKEN}",
    re.IGNORECASE,
)
_HALF = 2


def with_fractions(text: str) -> str:
    """The text with mixed numbers as one, where whole numbers are in digits."""
    return _MIXED.sub(_mixed, text)


def with_parts(text: str) -> str:
    """The text with "two thirds" as "2/3", and "a half" as "0.5"."""
    return _ALONE.sub(_alone, text)


def _mixed(found: re.Match[str]) -> str:
    above, below = _fraction(found)
    whole = found["whole"].replace("\N{MINUS SIGN}", "-")
    size = abs(int(whole))
    if not 0 < above < below:
        return found[0]
    sign = "-" if whole.startswith("-") else ""
    return number_value(f"{sign}{size * below + above}/{below}") or found[0]


def _alone(found: re.Match[str]) -> str:
    above, below = _fraction(found)
    if found["above"].casefold() in ("a", "an") and below > _HALF:
        return found[0]  # "A third" may be the one behind the second.
    value = number_value(f"{'-' if found['minus'] else ''}{above}/{below}")
    return value or found[0]


def _fraction(found: re.Match[str]) -> tuple[int, int]:
    named = found.groupdict()
    if named.get("part"):
        above = named["above"].casefold()
        return _ABOVE.get(above) or int(above), _PARTS[named["part"].casefold()]
    return int(named["over"]), int(named["below"])
