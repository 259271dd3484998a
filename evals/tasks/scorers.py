"""Scorers say how good an answer is, from 0 to 1; a task names the one it uses.

What an answer concludes with is read as votes read it (`aggregators/answers/`), so a question whose
answers a panel can group is one that a task can score.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from aggregators import equality
from aggregators.answers.extraction import Kind
from aggregators.answers.mentions import mentions


class Answered(Protocol):
    """What a scorer needs of a question: the answer that counts as right."""

    @property
    def answer(self) -> str: ...


Scorer = Callable[[Answered, str], float]


def exact(sample: Answered, text: str) -> float:
    """1 when the texts are equal; case counts, the number of spaces does not."""
    return float(" ".join(text.split()) == " ".join(sample.answer.split()))


def contains(sample: Answered, text: str) -> float:
    """1 when the right answer stands in the text as whole words; case does not count."""
    return float(mentions(text, sample.answer))


def concludes(kind: Kind) -> Scorer:
    """A scorer that gives 1 when the answer concludes with the right one, of that kind."""

    def score(sample: Answered, text: str) -> float:
        return float(equality.same(kind, text, sample.answer))

    return score


SCORERS: dict[str, Scorer] = {
    "exact": exact,
    "contains": contains,
    "number": concludes("number"),
    "choice": concludes("choice"),
    "latex": concludes("latex"),
    "json": concludes("json"),
}

IN_SENTENCES = ("number", "choice", "contains")
"""Scorers that read answers in sentences, and cost no more than `exact` does."""


def check_scorer(name: str) -> None:
    """Raise ValueError where no scorer has this name."""
    if name not in SCORERS:
        raise ValueError(f"must be auto or one of {', '.join(sorted(SCORERS))}")


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Raise ValueError where the scorer does not know an option."""
    if options:
        raise ValueError(f"the scorer {name} has no options, such as {', '.join(options)}")


def score_all(
    name: str, options: Mapping[str, Any], pairs: Sequence[tuple[Answered, str]]
) -> list[float]:
    """Quality of answers in 0..1, in their order."""
    check_options(name, options)
    return [SCORERS[name](sample, text) for sample, text in pairs]
