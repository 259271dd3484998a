"""Judged debates as a judge is taught them, made from passages."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from experts.zoo.council.formats import SILENCE, case, marked
from experts.zoo.council.passages import (
    Passage,
    dishonest_quotes,
    honest_quotes,
    sample_passage,
)
from experts.zoo.formats import judgement_prompt
from experts.zoo.skills.base import Example, Skill, Split

ROUNDS = (1, 1, 2)
"""How many arguments each side has."""


def _shown(passage: Passage, quotes: Sequence[str], checked: bool) -> list[str]:
    """Quotes with their marks; without the source, none is verified."""
    return [marked(quote, checked and quote in passage.sentences) for quote in quotes]


def _judgement(
    rng: Random, passage: Passage, right: Sequence[str], wrong: Sequence[str]
) -> Example:
    """A judge's question on the arguments for both answers, in either order."""
    cases = (case(passage.right, right), case(passage.wrong, wrong))
    right_first = rng.random() < 0.5
    prompt = judgement_prompt(passage.question, *(cases if right_first else cases[::-1]))
    return Example(prompt, "A" if right_first else "B", ("debate",))


def _argued(rng: Random, split: Split, checked: bool) -> tuple[Passage, list[str], list[str]]:
    passage, rounds = sample_passage(rng, split), rng.choice(ROUNDS)
    lies = dishonest_quotes(passage, rounds, invents=rng.random() < 0.5)
    honest = honest_quotes(passage, rounds)
    return passage, _shown(passage, honest, checked), _shown(passage, lies, checked)


def sample_debate(rng: Random, split: Split) -> Example:
    """Sample a debate of both sides whose quotes were checked."""
    return _judgement(rng, *_argued(rng, split, checked=True))


def sample_unverified(rng: Random, split: Split) -> Example:
    """Sample a debate of which no quote was checked."""
    return _judgement(rng, *_argued(rng, split, checked=False))


def sample_consultancy(rng: Random, split: Split) -> Example:
    """Sample one side's arguments, for the right answer or the wrong one."""
    passage, honest, lies = _argued(rng, split, checked=True)
    silent = [SILENCE] * len(honest)
    pair = (honest, silent) if rng.random() < 0.5 else (silent, lies)
    return _judgement(rng, passage, *pair)


def sample_unargued(rng: Random, split: Split) -> Example:
    """Sample two answers for which nobody argues: nothing tells which is right."""
    return _judgement(rng, sample_passage(rng, split), (), ())


DEBATES: dict[str, Skill] = {
    "debate": Skill("debate", "Judge two sides by their quotes.", sample_debate),
    "unverified": Skill("unverified", "Judge two sides by unchecked quotes.", sample_unverified),
    "consultancy": Skill("consultancy", "Judge one side by its quotes.", sample_consultancy),
    "unargued": Skill("unargued", "Judge two answers without a source.", sample_unargued),
}
