"""How near each expert's own evidence is to a question, beside that of the others. Pure.

In a table that mixes questions of several origins, an expert was not asked everything. Where it was
never asked anything like a question, what is predicted for it is a guess from afar, and must not
win over an expert that was seen to answer such questions.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

USUAL = 0.05
"""Share of an expert's own questions that are farther from the others than is usual."""
LEAST_WIDTH = 0.05
"""Smallest scale, in cosines, on which support fades: questions that are all alike have none."""
NOTHING = 0.05
"""Support below this is none."""
SAMPLE = 2_048
"""Questions of an expert from which is estimated how far apart they are."""
BLOCK = 256
SAME_TEXT = 1 - 1e-4
DIGITS = 5


class _Asked(NamedTuple):
    """Experts that were asked the same questions, and how far apart those are."""

    experts: NDArray[np.intp]
    questions: Floats
    usual: float
    """Cosine to the nearest of them that most of them have, or more."""
    width: float


@dataclass(frozen=True, eq=False)
class Support:
    """The support of M experts' evidence for a question: 1 where it is as near as it should be.

    It is 1 for an expert whose nearest question is as similar as its own questions usually are to
    each other, or as anybody's nearest one. From there it fades with the missing similarity, on
    the scale on which its own questions differ: an expert that was asked few questions, far apart,
    is trusted farther away from them than a specialist whose questions are all alike.
    """

    count: int
    """M"""
    asked: tuple[_Asked, ...]
    """Empty where all experts were asked the same questions: then all have the same evidence."""

    @classmethod
    def of(cls, vectors: Floats, scores: Floats) -> Self:
        """From questions [N, dimension] and scores [N, M], NaN where an expert was not asked."""
        known = ~np.isnan(scores)
        kinds, kind_of = np.unique(known, axis=1, return_inverse=True)
        if kinds.shape[1] < 2:
            return cls(scores.shape[1], ())
        groups = [
            _asked(np.flatnonzero(kind_of.ravel() == kind), vectors[kinds[:, kind]])
            for kind in range(kinds.shape[1])
        ]
        return cls(scores.shape[1], tuple(groups))

    def at(self, vectors: Floats) -> Floats:
        """[B, M] in 0..1, for questions [B, dimension]; at least one expert has 1."""
        found = np.ones((len(vectors), self.count))
        if not self.asked:
            return found
        nearest = np.stack([_nearest(vectors, group.questions) for group in self.asked], axis=1)
        best = nearest.max(axis=1)
        for column, group in enumerate(self.asked):
            missing = np.clip(np.minimum(group.usual, best) - nearest[:, column], 0.0, None)
            support = np.exp(-missing / group.width)
            found[:, group.experts] = np.where(support < NOTHING, 0.0, support)[:, None]
        return found


def _asked(experts: NDArray[np.intp], questions: Floats) -> _Asked:
    step = max(1, -(-len(questions) // SAMPLE))
    others = _nearest(questions[::step], questions, apart=True)
    others = others[others > -1.0]
    if not len(others):  # One text alone: only itself is near.
        return _Asked(experts, questions, 1.0, LEAST_WIDTH)
    usual, middle = np.quantile(others, [USUAL, 0.5])
    return _Asked(experts, questions, float(usual), max(float(middle - usual), LEAST_WIDTH))


def _nearest(vectors: Floats, questions: Floats, *, apart: bool = False) -> Floats:
    """[B] the cosine to the nearest question (of another text); -1 where there is none."""
    found = np.full(len(vectors), -1.0)
    if not len(questions):
        return found
    for start in range(0, len(vectors), BLOCK):
        cosines = np.round(vectors[start : start + BLOCK] @ questions.T, DIGITS)
        if apart:
            cosines = np.where(cosines >= SAME_TEXT, -1.0, cosines)
        found[start : start + BLOCK] = cosines.max(axis=1)
    return found
