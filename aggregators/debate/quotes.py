"""Verified quotes: whether what a debater quotes is in the source. Pure.

After Khan et al. (arXiv 2402.06782), appendix on quote verification, and the cap on quoted letters
of Michael et al. (arXiv 2311.08702).
"""

import re
import unicodedata

TAG = "quote"
_QUOTED = re.compile(rf"<{TAG}>(.*?)</{TAG}>", re.IGNORECASE | re.DOTALL)
_FORGED = re.compile(r"</?\s*(?:un)?verified_quote[^>]*>", re.IGNORECASE)
_TAGS = re.compile(rf"</?{TAG}>|{_FORGED.pattern}", re.IGNORECASE)


def certify(argument: str, source: str, shortest: int, room: int) -> str:
    """The argument with each quote tagged as verified or not; forged tags are removed.

    A quote of fewer than `shortest` letters is not verified, nor is one with which the verified
    quotes would exceed `room` letters.
    """
    text = _normal(source)
    left = room

    def tag(found: re.Match[str]) -> str:
        nonlocal left
        inside = _without(_TAGS, found[1])
        quoted = _normal(inside)
        verified = shortest <= len(quoted) <= left and quoted in text
        left -= len(quoted) if verified else 0
        name = "verified_quote" if verified else "unverified_quote"
        return f"<{name}>{inside}</{name}>"

    return _QUOTED.sub(tag, _without(_FORGED, argument))


def _without(tags: re.Pattern[str], text: str) -> str:
    """The text without these tags, including those that appear as others are removed."""
    while (shorter := tags.sub("", text)) != text:
        text = shorter
    return text


def _normal(text: str) -> str:
    """The text in lower case, without punctuation, with single spaces."""
    letters = (
        " " if unicodedata.category(letter)[0] in "ZC" else letter
        for letter in unicodedata.normalize("NFKC", text).lower()
        if unicodedata.category(letter)[0] != "P"
    )
    return " ".join("".join(letters).split())
