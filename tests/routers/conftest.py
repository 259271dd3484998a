"""A tiny encoder, a small outcome table and requests, for all tests of routers."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from experts.types import Request
from routers.outcomes import Outcome, OutcomeTable

QUESTIONS = {
    "sums": ["add one two", "add two three", "add five six", "add seven one"],
    "cities": ["capital of france", "capital of spain", "capital of peru", "city in chile"],
}
SKILLS = {"adder": "sums", "atlas": "cities"}


class LetterEncoder:
    """Counts letters: similar spellings are similar vectors. Counts the texts it encoded, too."""

    name = "letters"
    dimension = 27

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += texts
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            rows[row, 26] = 0.1  # So that an empty text has a direction.
            for letter in text.lower():
                if "a" <= letter <= "z":
                    rows[row, ord(letter) - ord("a")] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def chat(text: str, id: str = "r1") -> Request:
    return Request(id, "chat/completions", {"messages": [{"role": "user", "content": text}]})


@pytest.fixture
def encoder() -> LetterEncoder:
    return LetterEncoder()


@pytest.fixture
def ask() -> Callable[..., Request]:
    return chat


@pytest.fixture
def outcomes() -> list[Outcome]:
    """Two specialists, each right on its own task and wrong on the other."""
    return [
        Outcome(f"{task}-{number}", task, question, expert, "1", float(skill == task), 3, 0.1, "x")
        for task, questions in QUESTIONS.items()
        for number, question in enumerate(questions)
        for expert, skill in SKILLS.items()
    ]


@pytest.fixture
def outcomes_path(outcomes: list[Outcome], tmp_path: Path) -> Path:
    path = tmp_path / "outcomes.parquet"
    OutcomeTable.from_rows(outcomes).write(path)
    return path


@pytest.fixture
def query_router(tmp_path: Path) -> Path:
    """A router of a Mixture of Thoughts over three members, two of them active."""
    rng = np.random.default_rng(0)
    sizes = (LetterEncoder.dimension, 5, 4)  # A score for each member, and that of being alone.
    names = ["sum", "sort", "spell"]
    head = {"active": 2, "encoder": LetterEncoder.name}
    arrays = {"members": names, "speakers": names[:2], **head}
    for number, (narrow, wide) in enumerate(pairwise(sizes)):
        arrays[f"weight_{number}"] = rng.normal(size=(wide, narrow)).astype(np.float32)
        arrays[f"bias_{number}"] = rng.normal(size=wide).astype(np.float32)
    path = tmp_path / "query_router.npz"
    np.savez(path, **arrays)
    return path
