"""Rules by which a record decides otherwise than its answer's own words, each recognised by data.

Recorded verdicts have readers of their own. Of ZeroEval and MMLU-Pro these are patterns; those of
simple-evals-ru asked another model what the answer is ("?" where it found none) and, for
mathematics, whether two expressions are equal without more than trivial steps.
"""

import re
from collections.abc import Callable, Mapping

from aggregators.answers.extraction import Kind, extract
from aggregators.answers.places import conclusion
from aggregators.equality import equal

NOTHING = frozenset({"", "?", "None"})
"""How a record writes that its reader found no answer."""

READ_NOTHING = "the record's reader found no answer"
FIRST_COUNTS = 'the record takes the first "answer is (X)", the answer ends with another one'
INSIDE_A_WORD = 'the record reads "valid" in "invalid"'
STRIPPED = "the record compares without the spaces that its own value begins or ends with"
CONTRADICTED = (
    "the record's reader, another model, gives another value than the answer's own last"
    ' "the answer is X"'
)
COMPARED = "the record read the same value, and finds it different from, or equal to, the right one"

_FIRST = re.compile(r"answer is \(?([A-J])\)?")
_READ_BY_A_MODEL = frozenset({"bbh", "math_500", "mgsm_en"})
_ENDING = 400
_SAYS = re.compile(
    r"\banswers?\W{0,6}(?:(?:is|are|would be)\b\W{0,6})?"
    r"(yes|no|true|false|valid|invalid|\(?[A-R]\)|[A-R]|-?\d[\d,./]*)(?![\w^])",
    re.IGNORECASE,
)
"""A conclusion that nobody can misread."""
_KINDS: Mapping[str, Kind] = {
    "math_500": "latex",
    "math_level5": "latex",
    "mgsm_en": "number",
    "gsm8k": "number",
    "mmlu_pro": "choice",
}
_INVALID = re.compile(r"\binvalid\b", re.IGNORECASE)
_EITHER = re.compile(r"\b(?:in)?valid\b", re.IGNORECASE)


def rule_of(benchmark: str, task: str, recorded: str, text: str, *, correct: bool) -> str | None:
    """The first rule that explains a verdict unlike ours; None where it is our reading, or both.

    `correct` is the record's verdict, `recorded` the value that its reader found.
    """
    if recorded.strip() in NOTHING:
        return None if correct else READ_NOTHING
    return next((words for words, holds in _RULES if holds(benchmark, task, recorded, text)), None)


def _first_counts(benchmark: str, task: str, recorded: str, text: str) -> bool:
    said = _FIRST.findall(text) if benchmark == "mmlu_pro" else []
    return len(said) > 1 and recorded == said[0] != said[-1]


def _inside_a_word(benchmark: str, task: str, recorded: str, text: str) -> bool:
    if task != "formal_fallacies" or recorded != "valid":
        return False
    said = _EITHER.findall(conclusion(text) or "") or _EITHER.findall(text)[-1:]
    return bool(said) and bool(_INVALID.fullmatch(said[0]))


def _stripped(benchmark: str, task: str, recorded: str, text: str) -> bool:
    return benchmark == "cruxeval_o" and recorded != recorded.strip()


def _compared(benchmark: str, task: str, recorded: str, text: str) -> bool:
    kind = _KINDS.get(benchmark)
    if kind is None:
        return False
    ours = extract(kind, text)
    return ours is not None and equal(kind, ours, recorded)


def _contradicted(benchmark: str, task: str, recorded: str, text: str) -> bool:
    said = _SAYS.findall(text[-_ENDING:]) if benchmark in _READ_BY_A_MODEL else []
    return bool(said) and _bare(said[-1]) != _bare(recorded)


def _bare(value: str) -> str:
    return value.strip("()$ .,").replace(",", "").casefold()


_RULES: tuple[tuple[str, Callable[[str, str, str, str], bool]], ...] = (
    (FIRST_COUNTS, _first_counts),
    (INSIDE_A_WORD, _inside_a_word),
    (STRIPPED, _stripped),
    (COMPARED, _compared),
    (CONTRADICTED, _contradicted),
)
