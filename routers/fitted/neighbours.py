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


def closeness(similarities: Floats, temperature: float) -> Floats:
    """[B, k] the weights of neighbours that are so similar, the nearest first.

    A neighbour weighs its similarity times exp(-(similarity of the nearest - its own) /
    `temperature`).
    """
    found = similarities.astype(np.float64)
    fading = np.exp((found - found[:, :1]) / temperature)
    # A negative similarity says no more about an expert than a question far away.
    return np.asarray(np.clip(found, 0.0, None) * fading)


def near_means(scores: Floats, weights: Floats, prior: Floats, prior_weight: float) -> Floats:
    """[B, M] means of neighbours' scores [B, k, M], NaN for gaps, shrunk to `prior` [M] or [B, M].

    The prior counts as much as a neighbour of the weight `prior_weight`.
    """
    known = np.where(np.isnan(scores), 0.0, weights[:, :, None])
    gained = (known * np.nan_to_num(scores)).sum(axis=1)
    return np.asarray((gained + prior_weight * prior) / (known.sum(axis=1) + prior_weight))


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
