"""Long texts as routers see them: the part that counts, both ends, and short texts as ever."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from routers.encoders.long_texts import PART_TOKENS, Floats, embedded

WINDOW = 102
ROOM = WINDOW - 2


class Bytes:
    """An encoder whose tokens are letters; a vector counts which of 26 it reads."""

    name = "bytes"
    dimension = 26
    window = WINDOW
    vocabulary = 64
    frame = ((62,), (63,))

    def __init__(self) -> None:
        self.read: list[list[int]] = []

    def token_ids(self, text: str, at_most: int) -> list[int]:
        return [ord(letter) - ord("a") for letter in text][:at_most]

    def encode_ids(self, windows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        self.read += [list(one) for one in windows]
        rows = np.full((len(windows), self.dimension), 1e-3, np.float32)
        for row, ids in zip(rows, windows, strict=True):
            np.add.at(row, [one for one in ids if one < self.dimension], 1)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.encode_ids([[62, *self.token_ids(text, ROOM), 63] for text in texts])


LETTERS = st.text("abcdef", max_size=3 * WINDOW)


def _like_z(vectors: Floats) -> Floats:
    return np.asarray(vectors[:, 25])


@given(st.lists(LETTERS, max_size=5))
def test_short_texts_are_encoded_as_ever_and_a_batch_as_each_alone(texts: list[str]) -> None:
    encoder = Bytes()
    found = embedded(texts, encoder, _like_z)
    assert found.vectors.shape == (len(texts), encoder.dimension)
    for row, text in enumerate(texts):
        alone = encoder.encode([text]) if len(text) <= ROOM else None
        alone = embedded([text], encoder, _like_z).vectors if alone is None else alone
        np.testing.assert_array_equal(found.vectors[row], alone[0])


@given(st.integers(ROOM, 900))
def test_a_question_counts_wherever_it_stands(place: int) -> None:
    text = "a" * place + "z" * PART_TOKENS + "a" * (900 - place)
    vector = embedded([text], Bytes(), _like_z).vectors[0]
    assert vector[25] > vector[0]


@given(st.integers(ROOM + 1, 900), st.integers(0, 4))
def test_the_beginning_counts_where_no_part_is_clearly_nearer(length: int, more: int) -> None:
    text = "a" * (length - more) + "z" * more
    found = embedded([text], Bytes(), lambda vectors: np.asarray(vectors[:, 25] * 0.1))
    np.testing.assert_array_equal(found.vectors, Bytes().encode([text]))


def test_without_known_questions_the_beginning_is_read_and_that_is_told() -> None:
    text = "a" * WINDOW + "z" * WINDOW
    found = embedded([text, "z"], Bytes())
    np.testing.assert_array_equal(found.vectors, Bytes().encode([text, "z"]))
    assert found.cut == (True, False)


@given(st.integers(ROOM + 1, 2000), st.integers(ROOM, 1500))
def test_no_more_is_read_than_allowed_and_a_cut_is_told(length: int, most: int) -> None:
    encoder = Bytes()
    text = "b" * (length // 2) + "c" * (length - length // 2)
    found = embedded([text], encoder, _like_z, most)
    _, *parts = encoder.read
    tokens = [one for part in parts for one in part if one < 62]
    assert len(tokens) == min(length, most)
    assert found.cut == (length > most,)
    assert {tokens[0], tokens[-1]} == {1, 2}
    assert all(len(part) <= PART_TOKENS + 2 for part in parts)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_encoder_without_tokens_reads_as_far_as_it_does(count: int) -> None:
    class Simple:
        name, dimension = "simple", 1

        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.ones((len(texts), 1), np.float32)

    found = embedded(["x" * 9_999] * count, Simple(), _like_z)
    assert found.vectors.shape == (count, 1)
    assert found.cut == (False,) * count
