"""Texts that are longer than an encoder reads at once: windows over their tokens, and their mean.

Pure: no text is cut. Where a text has several windows its vector is the mean of theirs, each as
often as it has tokens, of length one.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

Frame = tuple[tuple[int, ...], tuple[int, ...]]
"""The ids that begin a text, and those that end it."""


def framed(ids: Sequence[int], frame: Frame) -> list[int]:
    """The ids of a whole text."""
    return [*frame[0], *ids, *frame[1]]


def windows(ids: Sequence[int], window: int, frame: Frame) -> list[list[int]]:
    """Ids as an encoder can read them, at most `window` at once.

    What fits is read as it is. Longer ids are divided into parts of nearly the same length, each
    with a frame of its own; theirs, if they have one, is not text.
    """
    if len(ids) <= window:
        return [list(ids)]
    bare = _bare(ids, frame)
    room = window - len(frame[0]) - len(frame[1])
    count = -(-len(bare) // room)
    cuts = [len(bare) * number // count for number in range(count + 1)]
    return [framed(bare[a:b], frame) for a, b in pairwise(cuts)]


def _bare(ids: Sequence[int], frame: Frame) -> Sequence[int]:
    begin, end = frame
    if tuple(ids[: len(begin)]) == begin:
        ids = ids[len(begin) :]
    if end and tuple(ids[-len(end) :]) == end:
        ids = ids[: -len(end)]
    return ids


def means(
    vectors: NDArray[np.float32], texts: Sequence[Sequence[Sequence[int]]]
) -> list[NDArray[np.float32]]:
    """The vector of each text, from those of all windows [W, dimension], in the same order."""
    ends = list(accumulate(map(len, texts)))
    return [
        _mean(vectors[end - len(parts) : end], parts)
        for end, parts in zip(ends, texts, strict=True)
    ]


def _mean(vectors: NDArray[np.float32], parts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    if len(parts) == 1:
        return np.asarray(vectors[0])
    weighted = np.array([len(part) for part in parts], dtype=np.float32) @ vectors
    return np.asarray(weighted / max(float(np.linalg.norm(weighted)), 1e-12), dtype=np.float32)
