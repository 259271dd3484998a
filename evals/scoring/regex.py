"""The scorer `regex`: whether a pattern is found in the answer, in bounded time."""

import re
from typing import Literal

from pydantic import Field

from evals.scoring.base import Answered, Options, Rule
from evals.scoring.searching import Pattern, search


class RegexOptions(Options):
    """A pattern of Python's `re`."""

    pattern: Pattern | None = Field(
        None, description="Python's syntax; without one, each question's answer is the pattern."
    )
    match: Literal["search", "full"] = Field(
        "search", description="Somewhere in the answer, or the whole of it."
    )
    ignore_case: bool = False
    multiline: bool = Field(False, description="^ and $ match at every line.")
    dot_all: bool = Field(False, description="A dot matches the end of a line, too.")
    seconds: float = Field(
        2.0, gt=0, description="What one search may take; one that takes longer is a problem."
    )

    @property
    def flags(self) -> int:
        """What `re` calls them."""
        flags = (
            (self.ignore_case, re.IGNORECASE),
            (self.multiline, re.MULTILINE),
            (self.dot_all, re.DOTALL),
        )
        return sum(int(flag) for chosen, flag in flags if chosen)


def regex(options: RegexOptions) -> Rule:
    """1 when the pattern is found.

    Raises SlowPattern, and ValueError for an answer that is no pattern.
    """

    def score(sample: Answered, text: str) -> float:
        pattern = sample.answer if options.pattern is None else options.pattern
        which: Literal["whole", "first"] = "whole" if options.match == "full" else "first"
        found = search(pattern, text, which=which, seconds=options.seconds, flags=options.flags)
        return float(found is not None)

    return score
