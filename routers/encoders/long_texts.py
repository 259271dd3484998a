"""Texts that are longer than an encoder reads at once, as routers see them.

A router was fitted on questions, most of them short. So a long text is divided into parts of the
length of a question, and the part that is most like a question the router knows is what is routed
by: a question counts wherever it stands in a long context, which a mean over all would drown.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routers.base import Encoder, TokenEncoder
from routers.encoders.windows import framed, means, windows

MOST_TOKENS = 1024
"""Tokens that are read of a long text by default."""

PART_TOKENS = 64
"""Tokens of each part of it: a question of the usual length."""

TOKEN_CHARACTERS = 32
"""Characters of the end of a text that are tokenized for each token that is read of it."""

Floats = NDArray[np.floating[Any]]
Similarity = Callable[[Floats], Floats]
"""From vectors [B, dimension] to [B], how similar each is to the nearest question that is known."""


class Embedded(NamedTuple):
    """The vectors of some texts."""

    vectors: NDArray[np.float32]
    """[B, dimension]"""
    cut: tuple[bool, ...]
    """Whether a text is longer than what was read of it: its middle was not."""


def embedded(
    texts: Sequence[str],
    encoder: Encoder,
    similarity: Similarity | None = None,
    most: int = MOST_TOKENS,
) -> Embedded:
    """The vectors of texts; of a long one, that of its part that is most like what is known.

    Without `similarity` it is the mean over the whole.
    At most `most` tokens of a long text are read, of both its ends; one that the encoder reads at
    once is read as it is. An encoder that takes no tokens reads texts as far as it does.
    """
    size = None if similarity is None else PART_TOKENS
    long = _long(texts, encoder, most, size) if isinstance(encoder, TokenEncoder) else {}
    if not long:
        return Embedded(encoder.encode(texts), (False,) * len(texts))
    vectors = np.empty((len(texts), encoder.dimension), dtype=np.float32)
    short = [row for row in range(len(texts)) if row not in long]
    vectors[short] = encoder.encode([texts[row] for row in short])
    parts = [one.parts for one in long.values()]
    assert isinstance(encoder, TokenEncoder)
    found = encoder.encode_ids([part for own in parts for part in own])
    if similarity is None:
        vectors[list(long)] = means(found, parts)
    else:
        vectors[list(long)] = found[_nearest(similarity(found), list(map(len, parts)))]
    return Embedded(vectors, tuple(row in long and long[row].cut for row in range(len(texts))))


class _Long(NamedTuple):
    parts: list[list[int]]
    cut: bool


def _long(
    texts: Sequence[str], encoder: TokenEncoder, most: int, size: int | None
) -> dict[int, _Long]:
    """Row -> the parts, of `size` tokens or as long as can be, of a text that needs several."""
    frame = encoder.frame
    edges = len(frame[0]) + len(frame[1])
    room = encoder.window - edges
    window = encoder.window if size is None else min(size + edges, encoder.window)
    found = {}
    for row, text in enumerate(texts):
        if len(text) <= room:
            continue  # A token has a character or more.
        ids, cut = _ids(text, encoder, max(most, room))
        if cut or len(ids) > room:
            found[row] = _Long(windows(framed(ids, frame), window, frame), cut)
    return found


def _ids(text: str, encoder: TokenEncoder, most: int) -> tuple[list[int], bool]:
    """The ids of a text, or the `most` of both its ends, and whether there are more."""
    ids = encoder.token_ids(text, most + 1)
    if len(ids) <= most:
        return ids, False
    tail = most - most // 2
    end = text[-TOKEN_CHARACTERS * tail :]
    return ids[: most // 2] + encoder.token_ids(end, len(end))[-tail:], True


def _nearest(similar: Floats, counts: Sequence[int]) -> list[int]:
    """The row of the most similar part of each text, which has so many; of equal ones the first."""
    ends = list(accumulate(counts))
    return [
        end - count + int(similar[end - count : end].argmax())
        for end, count in zip(ends, counts, strict=True)
    ]
