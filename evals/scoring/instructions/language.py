"""Whether a text is in a language: by its script, and by common words where scripts are shared.

Pure. Not told apart: Danish from Norwegian, Croatian from Serbian in Latin letters, and any
language that is not listed from the listed one that it shares most words with.
"""

import json
import re
from collections import Counter
from pathlib import Path

LEAST_SHARE = 0.5
"""Of the letters, how many must be of the language's script: names and terms may be of another."""

SCRIPTS: dict[str, tuple[tuple[int, int], ...]] = {
    "latin": ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF)),
    "greek": ((0x370, 0x3FF), (0x1F00, 0x1FFF)),
    "cyrillic": ((0x400, 0x52F),),
    "hebrew": ((0x590, 0x5FF),),
    "arabic": ((0x600, 0x6FF), (0x750, 0x77F), (0xFB50, 0xFDFF), (0xFE70, 0xFEFF)),
    "devanagari": ((0x900, 0x97F),),
    "bengali": ((0x980, 0x9FF),),
    "gurmukhi": ((0xA00, 0xA7F),),
    "gujarati": ((0xA80, 0xAFF),),
    "tamil": ((0xB80, 0xBFF),),
    "telugu": ((0xC00, 0xC7F),),
    "kannada": ((0xC80, 0xCFF),),
    "malayalam": ((0xD00, 0xD7F),),
    "thai": ((0xE00, 0xE7F),),
    "hangul": ((0x1100, 0x11FF), (0xAC00, 0xD7AF)),
    "kana": ((0x3040, 0x30FF),),
    "han": ((0x3400, 0x4DBF), (0x4E00, 0x9FFF)),
}
"""The blocks of Unicode in which each script stands."""

ALONE = {
    "el": "greek", "he": "hebrew", "bn": "bengali", "pa": "gurmukhi", "gu": "gujarati",
    "ta": "tamil", "te": "telugu", "kn": "kannada", "ml": "malayalam", "th": "thai",
    "ko": "hangul",
}  # fmt: skip
"""Languages that are the only listed one of their script."""

COMMON: dict[str, dict[str, str]] = json.loads(
    Path(__file__).with_name("common_words.json").read_text(encoding="utf-8")
)
"""Script -> language -> words that are common in it, ours; the more of them, the likelier."""

_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0900-\u0D7F\u0610-\u061A\u064B-\u065F\u200c])*")


def written_in(text: str, language: str) -> bool:
    """Whether a text is in a language, of ISO 639-1, as far as its letters and words tell.

    A text without letters is in every language. Raises ValueError for a language not listed.
    """
    wanted = _script(language)
    letters = _letters(text)
    total = letters.total()
    if not total:
        return True
    if language in ("ja", "zh"):
        east = letters["kana"] + letters["han"]
        return east / total >= LEAST_SHARE and (letters["kana"] > 0.05 * east) == (language == "ja")
    if letters[wanted] / total < LEAST_SHARE:
        return False
    if language in ALONE:
        return True
    said = Counter(_WORD.findall(text.lower()))
    shares = {
        one: sum(said[word] for word in set(common.split()))
        for one, common in COMMON[wanted].items()
    }
    return shares[language] == max(shares.values())


def _script(language: str) -> str:
    if language in ALONE:
        return ALONE[language]
    if language in ("ja", "zh"):
        return "han"
    for script, languages in COMMON.items():
        if language in languages:
            return script
    raise ValueError(f"the language {language} is not known here")


def _letters(text: str) -> Counter[str]:
    """How many letters each script has in a text."""
    found: Counter[str] = Counter()
    for letter, count in Counter(text).items():
        if not letter.isalpha() and not 0x900 <= ord(letter) <= 0xE7F:
            continue
        place = ord(letter)
        for script, blocks in SCRIPTS.items():
            if any(first <= place <= last for first, last in blocks):
                found[script] += count
                break
        else:
            found["other"] += count
    return found
