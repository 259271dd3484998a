"""What is reserved for a request before anybody has counted its tokens."""

from __future__ import annotations

from typing import Any

import pytest

from experts.types import Operation, Request
from orchestrator.keys.estimate import estimate


def guessed(operation: Operation, **body: Any) -> tuple[int, int, bool]:
    found = estimate(Request("r", operation, body), unstated=100)
    return found.prompt, found.answers, found.stated


SAID = {"role": "user", "content": "x" * 40}
PARTS = [{"type": "text", "text": "x" * 8}, {"type": "image_url", "image_url": {"url": "x" * 999}}]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"messages": [SAID]}, (14, 100, False)),
        ({"messages": [SAID, SAID], "max_tokens": 7}, (28, 7, True)),
        ({"messages": [SAID], "max_tokens": 7, "max_completion_tokens": 5}, (14, 5, True)),
        ({"messages": [SAID], "max_tokens": None, "n": 3}, (14, 300, False)),
        ({"messages": [{"role": "user", "content": PARTS}]}, (4 + 2 + 256, 100, False)),
        ({"messages": [{"role": "assistant", "content": None}]}, (4, 100, False)),
    ],
)
def test_of_chats(body: Any, expected: tuple[int, int, bool]) -> None:
    assert guessed("chat/completions", **body) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("x" * 9, (3, 5, True)),
        (["xxxx", "xxxx", "x"], (3, 15, True)),
        ([1, 2, 3], (3, 5, True)),
        ([[1, 2, 3], [4]], (4, 10, True)),
    ],
)
def test_of_completions(prompt: Any, expected: tuple[int, int, bool]) -> None:
    assert guessed("completions", prompt=prompt, max_tokens=5) == expected


def test_of_embeddings() -> None:
    assert guessed("embeddings", input=["xxxx", "xxxxx"]) == (3, 0, True)
