"""Windows over long texts lose no token, and their mean is of length one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routers.encoders.windows import framed, means, windows

FRAME = ((101,), (102,))
IDS = st.lists(st.integers(0, 99), min_size=1, max_size=60)


@given(IDS, st.integers(3, 20), st.sampled_from([FRAME, ((), ()), ((7, 8), ())]))
def test_every_token_is_in_one_window_and_none_is_too_long(
    ids: list[int], window: int, frame: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    begin, end = frame
    found = windows(framed(ids, frame), window, frame)
    assert max(map(len, found)) <= window
    bare = [part[len(begin) : len(part) - len(end)] for part in found]
    assert [id for part in bare for id in part] == ids
    assert all((*begin, *part, *end) == tuple(one) for part, one in zip(bare, found, strict=True))
    lengths = list(map(len, bare))
    assert max(lengths) - min(lengths) <= 1


@given(IDS)
def test_what_fits_is_read_as_it_is(ids: list[int]) -> None:
    assert windows(ids, len(ids), FRAME) == [ids]


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), min_size=1, max_size=5))
def test_a_vector_is_the_mean_of_its_windows_by_tokens(
    lengths: list[list[int]],
) -> None:
    texts = [[[0] * length for length in text] for text in lengths]
    count = sum(map(len, texts))
    angles = np.linspace(0, 1, count, dtype=np.float32)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = means(vectors, texts)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    start = 0
    for text, vector in zip(texts, found, strict=True):
        own = vectors[start : start + len(text)]
        start += len(text)
        summed = sum(len(part) * one for part, one in zip(text, own, strict=True))
        assert vector == pytest.approx(summed / np.linalg.norm(summed), abs=1e-6)
