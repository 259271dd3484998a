"""Whether a text says a given answer somewhere, as whole words. Pure."""

import re
from functools import lru_cache

LONGEST = 100_000


def mentions(text: str, answer: str) -> bool:
    """Whether the words of `answer` stand in `text`, in their order; case does not count.

    A part of a word or of a number is none: neither "8" nor "5" is in "58" or "8.5", and "8" is not
    in "-8".
    """
    wanted = _tidy(answer)
    return bool(wanted) and _pattern(wanted).search(_tidy(text[:LONGEST])) is not None


@lru_cache(maxsize=4096)
def _pattern(wanted: str) -> re.Pattern[str]:
    before = r"(?<!\w)(?<!\d[.,])" if wanted[0].isalnum() else ""
    signed = r"(?<![-\u2212])" if wanted[0].isdigit() else ""
    after = r"(?!\w)(?![.,]\d)" if wanted[-1].isalnum() else ""
    return re.compile(f"{before}{signed}{re.escape(wanted)}{after}")


def _tidy(text: str) -> str:
    return " ".join(text.casefold().split()).removesuffix(".")
