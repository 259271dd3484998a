"""Characters in one form before a text is read: full-width letters, fractions, thin spaces. Pure."""

import re
import unicodedata

_FRACTION_SLASH = "\u2044"
_KEPT = ("<super>", "<sub>")
"""A power is no further digit: "10\u00b2" is not "102"."""
_SPACED = re.compile(r"(?<![\w.,])(?<!\d )(?<![.,] )(\d{1,3}(?: \d{3})+)(?![\w]|[ ,]\d|\s*/)")
"""Thousands between spaces; groups of other than three digits are several numbers."""


def normal(text: str) -> str:
    """The text with compatible characters as the usual ones (Unicode's NFKC), powers kept.

    A fraction in one character stands by itself: "3\u00bd" is "3 1/2".
    """
    return text if text.isascii() else unicodedata.normalize("NFC", "".join(map(_usual, text)))


def joined(text: str) -> str:
    """The text with numbers of groups of three digits as one: "1 234" is "1234"."""
    return _SPACED.sub(lambda found: found[1].replace(" ", ""), text)


def _usual(character: str) -> str:
    if character.isascii() or unicodedata.decomposition(character).startswith(_KEPT):
        return character
    usual = unicodedata.normalize("NFKC", character)
    if _FRACTION_SLASH in usual:
        spaced = " " if len(usual) > 1 else ""
        return spaced + usual.replace(_FRACTION_SLASH, "/") + spaced
    return usual
