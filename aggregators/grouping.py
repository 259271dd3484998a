"""Which answers say the same, by what they conclude with, or by what they mean.

`auto` suits chat models: short answers are read out of their sentences, longer texts are compared
by a sentence encoder. Where neither finds any two alike, that is said: then votes mean nothing.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aggregators import equality
from aggregators.answers.extraction import Kind, plain
from aggregators.answers.short import short_answers, words
from aggregators.base import Ask

AnswerKind = Literal["auto"] | Kind
How = Literal["read", "meaning", "none"]

SIMILAR = 0.85
CANNOT_GROUP = "the answers cannot be compared: no two are alike; the first one is given"
SHOWN_CHARACTERS = 60
SHORT = 25
"""Words of a text in which a negation says the opposite, and not just something else."""
_NEGATIONS = frozenset({"not", "no", "never", "cannot", "isn't", "doesn't", "don't", "can't"})
_NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")
_CAPITALS = re.compile(r"(?<=[\w,;:] )[A-Z][\w'-]*")
"""Words with a capital that does not begin a sentence."""


class Grouping(NamedTuple):
    """A label for each answer, equal where answers are, and how it was found.

    None is the label of an answer that cannot be read. With `none`, no two answers are alike and
    it is not known whether they differ in what they say.
    """

    labels: tuple[str | None, ...]
    how: How


async def group(
    kind: AnswerKind,
    question: str,
    texts: Sequence[str],
    ask: Ask,
    *,
    tests: Sequence[str] = (),
    similar: float = SIMILAR,
) -> Grouping:
    """Compare answers to a question; `similar` is the least cosine of texts that mean the same."""
    if kind != "auto":
        return Grouping(tuple(await equality.labels(kind, texts, tests)), "read")
    labels = short_answers(question, texts)
    if None not in labels:
        return Grouping(tuple(labels), "read")
    count = Counter(map(plain, texts))
    pairs = zip(texts, labels, strict=True)
    labels = [plain(text) if count[plain(text)] > 1 else label for text, label in pairs]
    vectors = await ask.embed(texts)
    groups = group_by_meaning(question, texts, labels, vectors, similar)
    named = _named(texts, labels, groups)
    alike = len(set(groups)) < len(groups) or len(groups) == 1
    return Grouping(named, "meaning" if alike else "none")


def group_by_meaning(
    question: str,
    texts: Sequence[str],
    labels: Sequence[str | None],
    vectors: NDArray[np.floating[Any]] | None,
    similar: float,
) -> list[int]:
    """The number of each text's group. Pure.

    Texts with a label are together where the labels are equal. Another one joins the first group of
    which all members mean the same; without `vectors` [N, dimension], it is alone.
    """
    groups: list[list[int]] = []
    by_label: dict[str, list[int]] = {}
    for place, label in enumerate(labels):
        if label is None:
            continue
        if label not in by_label:
            groups.append(by_label.setdefault(label, []))
        by_label[label].append(place)
    cosines = np.eye(len(texts)) if vectors is None else vectors @ vectors.T
    for place, label in enumerate(labels):
        if label is not None:
            continue
        for members in groups:
            if all(
                cosines[place, one] >= similar and may_agree(question, texts[place], texts[one])
                for one in members
            ):
                members.append(place)
                break
        else:
            groups.append([place])
    number = {place: n for n, members in enumerate(groups) for place in members}
    return [number[place] for place in range(len(texts))]


def may_agree(question: str, one: str, other: str) -> bool:
    """Whether no name, number or negation shows that two texts say different things.

    An encoder finds "It is Lima." and "It is Quito." alike: they are about the same thing.
    """
    common = f"{question} {one} {other}"
    for pattern in (_NUMBERS, _CAPITALS):
        left, right = (_marks(pattern, text, question, common) for text in (one, other))
        if left - right and right - left:
            return False
    short = [frozenset(words(text)) for text in (one, other) if len(words(text)) <= SHORT]
    return len(short) < 2 or bool(short[0] & _NEGATIONS) == bool(short[1] & _NEGATIONS)


def _marks(pattern: re.Pattern[str], text: str, question: str, common: str) -> set[str]:
    """The numbers, or names, of a text that the question does not have.

    A word that also occurs without its capital is no name.
    """
    asked = set(re.findall(r"[\w'.,-]+", question))
    found = {mark for mark in pattern.findall(text) if mark not in asked}
    lower = set(re.findall(r"\b[a-z][\w'-]*", common))
    return {mark for mark in found if mark.lower() not in lower or not mark[0].isalpha()}


def _named(
    texts: Sequence[str], labels: Sequence[str | None], groups: Sequence[int]
) -> tuple[str, ...]:
    """A label for each group: the short answer, or how its first text begins."""
    names: dict[int, str] = {}
    for text, label, number in zip(texts, labels, groups, strict=True):
        shown = " ".join(text.split())[:SHOWN_CHARACTERS]
        if number not in names:
            name = label if label is not None else shown
            names[number] = f"{name} ({number})" if name in names.values() else name
    return tuple(names[number] for number in groups)
