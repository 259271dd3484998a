"""The nearest neighbours of a text among the training questions, by cosine."""

from typing import NamedTuple

import numpy as np

from routers.fitted.training_set import Floats, Indices, blocks

DIGITS = 5
"""Digits of a cosine that count: equal texts are equally similar, whatever the last bits are."""


class Neighbours(NamedTuple):
    """The neighbours of B texts, nearest first; ties go to the earlier question."""

    rows: Indices
    """[B, k] row numbers of questions."""
    similarities: Floats
    """[B, k] cosines."""

    def of(self, text: int) -> "Neighbours":
        """The neighbours of one text, both arrays [k]."""
        return Neighbours(self.rows[text], self.similarities[text])


def find_neighbours(questions: Floats, vectors: Floats, count: int) -> Neighbours:
    """The `count` (or all) most similar of `questions` [N, d] for each of `vectors` [B, d]."""
    count = min(count, len(questions))
    found = [_find(questions, block, count) for block in blocks(vectors)]
    rows, similarities = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Neighbours(rows, similarities)


def _find(questions: Floats, vectors: Floats, count: int) -> Neighbours:
    similarities = np.round(vectors @ questions.T, DIGITS)
    found = np.argpartition(-similarities, count - 1, axis=1)
    # Of the questions that are as near as the last one, the earliest, whatever the partition gives.
    found = np.sort(found[:, :count], axis=1)
    near = np.take_along_axis(similarities, found, axis=1)
    ranks = np.argsort(-near, axis=1, kind="stable")
    return Neighbours(
        np.take_along_axis(found, ranks, axis=1), np.take_along_axis(near, ranks, axis=1)
    )
