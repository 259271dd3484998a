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

SLACK = 0.05
"""Cosine that may be missing to what is usual, without a loss of support."""
LEAST_WIDTH = 0.05
"""Smallest distance, in cosines, over which support fades: questions all alike have none."""
FADE = 3.0
"""How fast: over the distance between an expert's usual questions and its loneliest ones, support
falls to exp(-3), a twentieth."""
LONELY = 0.05
"""Share of an expert's questions that are its loneliest."""
NOTHING = 0.2
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
    usual: Floats
    """[n] for each of the questions, the cosine to the nearest other one."""
    width: float


@dataclass(frozen=True, eq=False)
class Support:
    """The support of M experts' evidence for a question: 1 where it is as near as it should be.

    It is 1 for an expert whose nearest question is as near as that one's own neighbours are, or as
    near as anybody's. From there it fades with the missing similarity, on the scale on which the
    expert's own questions differ: an expert that was asked few questions, far apart, is trusted
    farther away from them than a specialist whose questions are all alike.
    """

    count: int
    """M"""
    asked: tuple[_Asked, ...]
    """Empty where all experts were asked the same questions: then all have the same evidence."""

    @classmethod
    def of(cls, vectors: Floats, scores: Floats) -> Self:
        """From questions [N, dimension] and scores [N, M], NaN where an expert was not asked."""
        known = ~np.isnan(scores)
        if known.all():  # What usually is the case needs no sorting of columns.
            return cls(scores.shape[1], ())
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
        if not self.asked or not len(vectors):
            return found
        nearest = [_nearest(vectors, group.questions) for group in self.asked]
        best = np.max([cosines for _, cosines in nearest], axis=0)
        for group, (rows, cosines) in zip(self.asked, nearest, strict=True):
            usual = group.usual[rows] if len(group.usual) else np.inf
            missing = np.clip(np.minimum(usual, best) - SLACK - cosines, 0.0, None)
            support = np.exp(-FADE * missing / group.width)
            found[:, group.experts] = np.where(support < NOTHING, 0.0, support)[:, None]
        return found


def _asked(experts: NDArray[np.intp], questions: Floats) -> _Asked:
    step = max(1, -(-len(questions) // SAMPLE))
    _, usual = _nearest(questions, questions[::step], apart=True)
    others = usual[usual > -1.0]
    if not len(others):  # One text alone: only itself is near.
        return _Asked(experts, questions, np.ones(len(usual)), LEAST_WIDTH)
    lonely, middle = np.quantile(others, [LONELY, 0.5])
    return _Asked(experts, questions, usual, max(float(middle - lonely), LEAST_WIDTH))


def _nearest(
    vectors: Floats, questions: Floats, *, apart: bool = False
) -> tuple[NDArray[np.intp], Floats]:
    """[B] the nearest question (of another text) and its cosine; -1 where there is none."""
    rows, found = np.zeros(len(vectors), dtype=np.intp), np.full(len(vectors), -1.0)
    if not len(questions):
        return rows, found
    for start in range(0, len(vectors), BLOCK):
        cosines = np.round(vectors[start : start + BLOCK] @ questions.T, DIGITS)
        if apart:
            cosines = np.where(cosines >= SAME_TEXT, -1.0, cosines)
        rows[start : start + BLOCK] = near = cosines.argmax(axis=1)
        found[start : start + BLOCK] = cosines[np.arange(len(near)), near]
    return rows, found
