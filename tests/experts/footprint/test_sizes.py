"""Sizes are read as vLLM reads them."""

from typing import Any

import pytest

from experts.footprint.sizes import whole


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (8192, 8192),
        ("8192", 8192),
        ("8k", 8000),
        ("8K", 8192),
        ("2G", 2 << 30),
        ("1.5m", 1_500_000),
        (-1, None),
        (0, None),
        ("auto", None),
        (True, None),
        (1e9, None),
        (None, None),
        ("", None),
    ],
)
def test_a_size(value: Any, number: int | None) -> None:
    assert whole(value) == number
