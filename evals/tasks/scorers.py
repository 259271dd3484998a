"""Scorers say how good an answer is, from 0 to 1; a task names the one it uses."""

from collections.abc import Callable
from typing import Protocol


class Answered(Protocol):
    """What a scorer needs of a question: the answer that counts as right."""

    @property
    def answer(self) -> str: ...


def exact(sample: Answered, text: str) -> float:
    """1 when the texts are equal; case counts, the number of spaces does not."""
    return float(" ".join(text.split()) == " ".join(sample.answer.split()))


SCORERS: dict[str, Callable[[Answered, str], float]] = {"exact": exact}
