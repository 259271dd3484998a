"""Scorers that compare words: equal texts, contained answers, and the F1 of their tokens."""

import re
import string
from collections import Counter

from aggregators.answers.mentions import mentions
from evals.scoring.base import Answered, Options, Rule

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


class NoOptions(Options):
    """There is nothing to choose."""


def exact(_: NoOptions) -> Rule:
    """1 when the texts are equal; case counts, the number of spaces does not."""
    return lambda sample, text: float(" ".join(text.split()) == " ".join(sample.answer.split()))


def contains(_: NoOptions) -> Rule:
    """1 when the right answer stands in the text as whole words; case does not count."""
    return lambda sample, text: float(mentions(text, sample.answer))


def f1(_: NoOptions) -> Rule:
    """F1 of the tokens that text and answer share, the best over `fields["answers"]` too.

    As SQuAD counts them (Rajpurkar et al. 2016, arXiv 1606.05250): in lower case, without
    punctuation and articles, each token as often as it occurs.
    """

    def score(sample: Answered, text: str) -> float:
        said = squad_tokens(text)
        accepted = (sample.answer, *map(str, sample.fields.get("answers", ())))
        return max(_f1(said, squad_tokens(answer)) for answer in accepted)

    return score


def squad_tokens(text: str) -> Counter[str]:
    """The tokens of a text as SQuAD normalises it."""
    plain = text.lower().translate(_PUNCTUATION)
    return Counter(_ARTICLES.sub(" ", plain).split())


def _f1(said: Counter[str], wanted: Counter[str]) -> float:
    if not said or not wanted:
        return float(said == wanted)
    shared = (said & wanted).total()
    return 2 * shared / (said.total() + wanted.total())
