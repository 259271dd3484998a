"""The scorer `label`: which of a few words an answer chooses, as True or False, yes or no."""

import re
from collections.abc import Sequence
from functools import lru_cache

from pydantic import Field

from aggregators.answers.places import boxed, conclusion
from evals.scoring.base import Answered, Options, Rule

LONGEST = 20_000


class LabelOptions(Options):
    """The words to choose from."""

    labels: tuple[str, ...] = Field(
        (), description="Case does not count; without any, each question's field `labels`."
    )


def label(options: LabelOptions) -> Rule:
    """1 when the answer chooses the right label: what it concludes with, or the last one it says.

    Raises ValueError where there are fewer than two labels, or the right answer is none.
    """

    def score(sample: Answered, text: str) -> float:
        labels = options.labels or tuple(map(str, sample.fields.get("labels") or ()))
        wanted = sample.answer.strip().casefold()
        if len(labels) < 2 or wanted not in {one.strip().casefold() for one in labels}:
            raise ValueError("the right answer must be one of two or more `labels`")
        return float(chosen(text, labels) == wanted)

    return score


def chosen(text: str, labels: Sequence[str]) -> str | None:
    """The label that a text chooses, in lower case; None where it says none."""
    words, text = _words(tuple(labels)), text[-LONGEST:]
    for place in (boxed(text), conclusion(text)):
        if place is not None and (found := words.search(place)):
            return found[0].casefold()
    said = words.findall(text)
    return said[-1].casefold() if said else None


@lru_cache(maxsize=1_024)
def _words(labels: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted((one.strip() for one in labels), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)
