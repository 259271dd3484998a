"""Scorers of what an answer concludes with: a number, an option, a literal, mathematics, JSON.

It is read as votes read it (`aggregators/answers/`), so a question whose answers a panel can group
is one that a task can score.
"""

from collections.abc import Callable

from pydantic import Field

from aggregators import equality
from aggregators.answers.extraction import Kind, canonical, extract
from evals.scoring.base import Answered, Options, Rule
from evals.scoring.extracting import Step, extract_by


class ConcludingOptions(Options):
    """Where the answer stands."""

    extract: tuple[Step, ...] = Field(
        (), description="Steps that find the answer; without any, it is found as votes find it."
    )


def concludes(kind: Kind) -> Callable[[ConcludingOptions], Rule]:
    """A scorer that gives 1 when the answer concludes with the right one, of that kind."""

    def rule(options: ConcludingOptions) -> Rule:
        def score(sample: Answered, text: str) -> float:
            if not options.extract:
                return float(equality.same(kind, text, sample.answer))
            found = extract_by(options.extract, text)
            value = None if found is None else _read(kind, found)
            return float(value is not None and equality.equal(kind, value, sample.answer))

        return score

    return rule


def _read(kind: Kind, found: str) -> str | None:
    """What was found, read as a whole answer, or as a value that stands alone."""
    return extract(kind, found) or canonical(kind, found)
