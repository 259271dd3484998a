"""Characters in one form before a text is read: full-width letters, thin spaces. Pure."""

import re
import unicodedata

_FRACTION_SLASH = "\u2044"
_BEHIND_WHOLE = re.compile(r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215e])")
_THIN = re.compile(r"(?<=\d)[\u00a0\u2007\u2009\u202f](?=\d{3}(?!\d))")
"""What typography puts between thousands."""
_KEPT = ("<super>", "<sub>")
"""A power is no further digit: "10\u00b2" is not "102"."""
_SPACED = re.compile(r"(?<![\w.,])(?<!\d )(?<![.,] )(\d{1,3}(?: \d{3})+)(?![\w]|[ ,]\d|\s*/)")
"""Thousands between spaces; groups of other than three digits are several numbers."""


def normal(text: str) -> str:
    """The text with compatible characters as the usual ones (Unicode's NFKC), powers kept.

    A fraction in one character is no further digit, either: "3\u00bd" is "3 1/2".
    """
    if text.isascii():
        return text
    text = _THIN.sub("", _BEHIND_WHOLE.sub(" ", text))
    return unicodedata.normalize("NFC", "".join(map(_usual, text)))


def joined(text: str) -> str:
    """The text with numbers of groups of three digits as one: "1 234" is "1234"."""
    return _SPACED.sub(lambda found: found[1].replace(" ", ""), text)


def _usual(character: str) -> str:
    if character.isascii() or unicodedata.decomposition(character).startswith(_KEPT):
        return character
    return unicodedata.normalize("NFKC", character).replace(_FRACTION_SLASH, "/")
