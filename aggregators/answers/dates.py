"""Dates and times in one spelling, so that equal ones are equal. Pure."""

import re

_NAMES = ("january", "february", "march", "april", "may", "june", "july", "august",
          "september", "october", "november", "december")  # fmt: skip
_MONTHS = {name[:length]: name for name in _NAMES for length in (3, 4, len(name))}
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b\.?"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s+(?P<year>\d{4})\b(?!\s*[/:]))?"
_WEEKDAY = r"(?:\b(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s+(?:the\s+)?)?"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_WEEKDAY}(?<![\w.,/:-]){_DAY}\s+(?:of\s+)?{_MONTH}{_YEAR}",
        rf"{_WEEKDAY}\b{_MONTH}\s+(?:the\s+)?{_DAY}\b(?![:./]\d){_YEAR}",
    )
)
_ISO = re.compile(r"(?<![\w.-])(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(?![\w-])")
_SLASHED = re.compile(r"(?<![\w./])(\d{1,2})([/.])(\d{1,2})\2(\d{4})(?![\w/]|\.\d)")
_CLOCK = re.compile(
    r"(?<![\w:.,/-])(?P<hour>[01]?\d|2[0-4])(?::(?P<minute>[0-5]\d)(?::00)?)?"
    r"(?:\s*(?P<half>[ap])\.?\s?m(?:\b\.?|\.)"
    r"|\s+(?:o'clock\s+)?(?P<part>in\s+the\s+(?:morning|afternoon|evening)|at\s+night))?(?![\w:])",
    re.IGNORECASE,
)
_NOON = re.compile(r"\b(?:12\s+)?(noon|midnight)\b", re.IGNORECASE)
_HALF_DAY = 12


def with_values(text: str) -> str:
    """The text with dates as "5 May 2021" and times of day as "22:30".

    A date of numbers counts where it can only be read as one; a time without "am" or "pm" is one
    of 24 hours.
    """
    for pattern in _DATES:
        text = pattern.sub(_named, text)
    text = _SLASHED.sub(_numbered, text)
    text = _ISO.sub(lambda found: _written(int(found[3]), int(found[2]), found[1]), text)
    text = _NOON.sub(lambda found: "12:00" if found[1].casefold() == "noon" else "0:00", text)
    return _CLOCK.sub(_timed, text)


def _named(found: re.Match[str]) -> str:
    name = _MONTHS[found["month"].casefold()]
    return _written(int(found["day"]), _NAMES.index(name) + 1, found["year"])


def _written(day: int, month: int, year: str | None) -> str:
    return " ".join(filter(None, (str(day), _NAMES[month - 1].capitalize(), year)))


def _numbered(found: re.Match[str]) -> str:
    one, other = int(found[1]), int(found[3])
    months = range(1, len(_NAMES) + 1)
    if one in months and (other == one or other not in months) and 1 <= other <= 31:
        return _written(other, one, found[4])
    if other in months and one not in months and 1 <= one <= 31:
        return _written(one, other, found[4])
    return found[0]


def _timed(found: re.Match[str]) -> str:
    hour, part = int(found["hour"]), (found["half"] or found["part"] or "").casefold()
    if not found["minute"] and not part:
        return found[0]
    if part and 1 <= hour <= _HALF_DAY:
        late = part == "p" or part.endswith(("afternoon", "evening", "night"))
        early_night = part.endswith("night") and (hour < 6 or hour == _HALF_DAY)
        hour = hour % _HALF_DAY + (_HALF_DAY if late and not early_night else 0)
    return f"{hour % 24}:{found['minute'] or '00'}"
