"""Texts that are longer than an encoder reads at once, as routers see them.

A router was fitted on questions, most of them short, and of a longer one on what the encoder reads
of it: its beginning. So that is what a long text is routed by, unless one of its parts, of the
length of a question, is clearly more like a question the router knows. Such a question counts
wherever it stands in a long context, which a mean over all would drown.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routers.base import Encoder, TokenEncoder
from routers.encoders.windows import framed, windows

MOST_TOKENS = 1024
"""Tokens that are read of a long text by default."""

PART_TOKENS = 64
"""Tokens of each part of it: a question of the usual length."""

CLEARLY = 0.1
"""How much more similar a part must be to a known question than the beginning of the text is."""

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
    """The vectors of texts; of a long one, that of its beginning or of a part that is nearer.

    At most `most` tokens of a long text are looked at, of both its ends. Without `similarity`, or
    with an encoder that takes no tokens, texts are read as far as the encoder does.
    """
    vectors = encoder.encode(texts)
    long = _long(texts, encoder, most) if isinstance(encoder, TokenEncoder) else {}
    if not long:
        return Embedded(vectors, (False,) * len(texts))
    cut = [False] * len(texts)
    if similarity is None:
        for row in long:
            cut[row] = True
        return Embedded(vectors, tuple(cut))
    assert isinstance(encoder, TokenEncoder)
    found = encoder.encode_ids([part for one in long.values() for part in one.parts])
    similar = similarity(np.concatenate([vectors[list(long)], found]))
    begun, similar = similar[: len(long)], similar[len(long) :]
    vectors, start = vectors.copy(), 0
    for beginning, (row, one) in zip(begun, long.items(), strict=True):
        best = start + int(similar[start : start + len(one.parts)].argmax())
        if similar[best] > beginning + CLEARLY:
            vectors[row] = found[best]
        start += len(one.parts)
        cut[row] = one.cut
    return Embedded(vectors, tuple(cut))


class _Long(NamedTuple):
    parts: list[list[int]]
    cut: bool


def _long(texts: Sequence[str], encoder: TokenEncoder, most: int) -> dict[int, _Long]:
    """Row -> the parts of a text that is not read at once."""
    frame = encoder.frame
    edges = len(frame[0]) + len(frame[1])
    room = encoder.window - edges
    size = min(PART_TOKENS + edges, encoder.window)
    found = {}
    for row, text in enumerate(texts):
        if len(text) <= room:
            continue  # A token has a character or more.
        ids, cut = _ids(text, encoder, max(most, room))
        if cut or len(ids) > room:
            found[row] = _Long(windows(framed(ids, frame), size, frame), cut)
    return found


def _ids(text: str, encoder: TokenEncoder, most: int) -> tuple[list[int], bool]:
    """The ids of a text, or the `most` of both its ends, and whether there are more."""
    ids = encoder.token_ids(text, most + 1)
    if len(ids) <= most:
        return ids, False
    tail = most - most // 2
    end = text[-TOKEN_CHARACTERS * tail :]
    return ids[: most // 2] + encoder.token_ids(end, len(end))[-tail:], True
