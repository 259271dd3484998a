"""Scorers say how good an answer is, from 0 to 1; a task names the one it uses."""

from collections.abc import Callable
from typing import Protocol

from evals.tasks.free_text import same_number, same_object


class Answered(Protocol):
    """What a scorer needs of a question: the answer that counts as right."""

    @property
    def answer(self) -> str: ...


def exact(sample: Answered, text: str) -> float:
    """1 when the texts are equal; case counts, the number of spaces does not."""
    return float(" ".join(text.split()) == " ".join(sample.answer.split()))


def number(sample: Answered, text: str) -> float:
    """1 when the last number of the answer is the right one, whatever the sentence around it."""
    return float(same_number(text, sample.answer))


def json_object(sample: Answered, text: str) -> float:
    """1 when the first JSON object of the answer has the right keys and values."""
    return float(same_object(text, sample.answer))


SCORERS: dict[str, Callable[[Answered, str], float]] = {
    "exact": exact,
    "number": number,
    "json": json_object,
}
