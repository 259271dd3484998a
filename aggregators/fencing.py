"""How one model's answer is quoted to another: cut to a fair share, defused, fenced. Pure."""

from collections.abc import Sequence

from aggregators.gather import Answer
from experts.prompts import defused, fence_for, fill

CUT = " [...]"
LETTERS_PER_TOKEN = 4.0
"""Assumed where an engine does not count tokens."""


def fair_shares(sizes: Sequence[int], total: int) -> list[int]:
    """Max-min fair shares of at most `total`: small sizes are met in full, the rest is even."""
    shares = [0] * len(sizes)
    left = max(0, total)
    smallest_first = sorted(range(len(sizes)), key=lambda number: sizes[number])
    for place, number in enumerate(smallest_first):
        shares[number] = min(sizes[number], left // (len(sizes) - place))
        left -= shares[number]
    return shares


def tokens(answer: Answer) -> int:
    """The number of tokens of an answer without its reasoning."""
    counted = answer.completion.usage.completion_tokens
    letters = len(answer.completion.text)
    per_letter = counted / letters if counted and letters else 1 / LETTERS_PER_TOKEN
    return max(1, round(per_letter * len(answer.text)))


def clip(text: str, size: int, budget: int) -> str:
    """The beginning of a text of `size` tokens that fits into `budget` tokens."""
    if size <= budget:
        return text
    return text[: len(text) * budget // size].rstrip() + CUT


def fenced_answers(answers: Sequence[Answer | str], template: str, budget: int) -> str:
    """The answers as one text, at most `budget` tokens of them, each in a fence it cannot leave.

    `template` has the field {answer}, and may have {number} (from 1) and {fence}.
    """
    sizes = [tokens(one) if isinstance(one, Answer) else _letters(one) for one in answers]
    shares = fair_shares(sizes, budget)
    texts = []
    for one, size, share in zip(answers, sizes, shares, strict=True):
        text = clip(one.text if isinstance(one, Answer) else one, size, share)
        ended = not isinstance(one, Answer) or not one.cut or size > share
        texts.append(defused(text if ended else text + CUT))
    fence = fence_for(texts)
    return "\n".join(
        fill(template, number=str(number), answer=text, fence=fence)
        for number, text in enumerate(texts, start=1)
    )


def _letters(text: str) -> int:
    return max(1, round(len(text) / LETTERS_PER_TOKEN))
