"""Answers in which a model states its own confidence, as JSON (ReConcile, arXiv 2309.13007)."""

import json
import re
from typing import Any, NamedTuple

LONGEST = 100_000
MOST_OBJECTS = 20
_BACKSLASH = re.compile(r'(\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))|\\')
"""An escape of JSON, or a bare backslash: models write LaTeX without escaping it."""
_DECODER = json.JSONDecoder(strict=False)


class StatedAnswer(NamedTuple):
    """A model's answer with its confidence; parts that could not be read are empty."""

    answer: str
    confidence: float | None
    reasoning: str = ""


def read_stated(text: str) -> StatedAnswer:
    """The object {answer, confidence, reasoning} in a text; without one, the text as the answer."""
    escaped = _BACKSLASH.sub(lambda found: found[1] or r"\\", text[:LONGEST])
    for start in [found.start() for found in re.finditer(r"\{", escaped)][:MOST_OBJECTS]:
        try:
            tree, _ = _DECODER.raw_decode(escaped, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(tree, dict) and isinstance(tree.get("answer"), str | int | float):
            reasoning = tree.get("reasoning")
            return StatedAnswer(
                _latex(str(tree["answer"])).strip(),
                probability(tree.get("confidence")),
                _latex(reasoning).strip() if isinstance(reasoning, str) else "",
            )
    return StatedAnswer(text.strip(), None)


def _latex(text: str) -> str:
    r"""The text with \b and \f put back as the beginnings of \boxed and \frac."""
    return text.replace("\b", r"\b").replace("\f", r"\f")


def probability(value: Any) -> float | None:
    """A confidence as a number in 0..1, also from a percentage. None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*(%?)\s*", value)
        if not found:
            return None
        number = float(found[1])
        per_cent = found[2] or number > 1
        return None if number > 100 else number / 100 if per_cent else number
    if not isinstance(value, int | float) or not 0 <= value <= 100:
        return None
    return float(value) / 100 if value > 1 else float(value)
