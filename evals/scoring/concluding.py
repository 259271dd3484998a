"""Scorers of what an answer concludes with: a number, an option, a literal, mathematics, JSON.

It is read as votes read it (`aggregators/answers/`), so a question whose answers a panel can group
is one that a task can score.
"""

from collections.abc import Callable

from pydantic import Field

from aggregators import equality
from aggregators.answers.extraction import Kind, canonical, extract
from evals.scoring.base import Answered, Options, Rule
from evals.scoring.extracting import Extraction, extract_by


class ConcludingOptions(Options):
    """Where the answer stands."""

    extract: tuple[Extraction, ...] = Field(
        (), description="Steps that find the answer; without any, it is found as votes find it."
    )
    fall_back: bool = Field(
        True,
        description="Where the first step finds nothing, find it as votes do; false: it is wrong.",
    )


def concludes(kind: Kind) -> Callable[[ConcludingOptions], Rule]:
    """A scorer that gives 1 when the answer concludes with the right one, of that kind."""

    def rule(options: ConcludingOptions) -> Rule:
        def score(sample: Answered, text: str) -> float:
            first, rest = options.extract[:1], options.extract[1:]
            begun = extract_by(first, text) if first else None
            if begun is not None:
                found = extract_by(rest, begun)
                return float(found is not None and _stands_for(kind, found, sample.answer))
            if first and not options.fall_back:
                return 0.0
            return float(equality.same(kind, text, sample.answer))

        return score

    return rule


def _stands_for(kind: Kind, found: str, answer: str) -> bool:
    """Whether what was found is the right answer, read as a whole answer or as a bare value."""
    if kind == "literal":
        # Within JSON a string is mostly written without the quotation marks of Python.
        bare = canonical("literal", repr(found))
        return any(
            value is not None and equality.equal(kind, value, answer)
            for value in (
                extract(kind, found),
                bare,
                canonical("literal", repr(found.strip("\"'"))),
            )
        )
    value = canonical(kind, found) if kind == "latex" else extract(kind, found)
    return value is not None and equality.equal(kind, value, answer)
