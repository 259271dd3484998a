"""The scorer `label`: which of a few words an answer chooses, as True or False, yes or no."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from pydantic import Field

from aggregators.answers.places import boxed, conclusion
from evals.scoring.base import Answered, Options, Rule

LONGEST = 20_000
_NONE: Mapping[str, str] = {}


class LabelOptions(Options):
    """The words to choose from."""

    labels: tuple[str, ...] = Field(
        (), description="Case does not count; without any, each question's field `labels`."
    )
    synonyms: dict[str, str] = Field(
        default_factory=dict,
        description="Other words that answers say, and the label that each stands for, as"
        " `implausible: no`.",
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
        return float(chosen(text, labels, options.synonyms) == wanted)

    return score


def chosen(text: str, labels: Sequence[str], synonyms: Mapping[str, str] = _NONE) -> str | None:
    """The label that a text chooses, in lower case; None where it says none."""
    words, text = _words((*labels, *synonyms)), text[-LONGEST:]
    stands_for = {word.strip().casefold(): label for word, label in synonyms.items()}

    def meant(said: str) -> str:
        return stands_for.get(said.casefold(), said).strip().casefold()

    for place in (boxed(text), conclusion(text)):
        if place is not None and (found := words.search(place)):
            return meant(found[0])
    said = words.findall(text)
    return meant(said[-1]) if said else None


@lru_cache(maxsize=1_024)
def _words(labels: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted((one.strip() for one in labels), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)
