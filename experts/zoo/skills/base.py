"""What a skill is, and how its items are held out of training."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeVar

Split = Literal["train", "probe", "test"]
SPLITS: tuple[Split, ...] = ("train", "probe", "test")
Drawn = TypeVar("Drawn")


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its only accepted answer and the keywords that describe it."""

    question: str
    answer: str
    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skill:
    """A named source of examples; `sample` is a pure function of the generator and the split."""

    name: str
    description: str
    sample: Callable[[Random, Split], Example]


def split_of(*operands: object) -> Split:
    """Assign operands to a split by a real hash (a linear one would hold out a pattern)."""
    bucket = zlib.crc32("|".join(map(str, operands)).encode("utf-8")) % 10
    if bucket == 0:
        return "test"
    return "probe" if bucket == 1 else "train"


def draw(
    rng: Random,
    split: Split,
    propose: Callable[[Random], Drawn],
    operands: Callable[[Drawn], Sequence[object]],
) -> Drawn:
    """Draw proposals until the hash of one's operands falls into the wanted split."""
    while True:
        drawn = propose(rng)
        if split_of(*operands(drawn)) == split:
            return drawn


@dataclass(frozen=True, slots=True)
class Phrasings:
    """Ways to ask for one fact; the last ones are held out, for the probe and the test split."""

    train: tuple[str, ...]
    probe: tuple[str, ...]
    test: tuple[str, ...]

    def choose(self, rng: Random, split: Split) -> str:
        """Choose a phrasing of the split."""
        return rng.choice({"train": self.train, "probe": self.probe, "test": self.test}[split])
