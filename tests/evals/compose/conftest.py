"""A made-up pool: two experts that know one kind of question each, and two that guess."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from evals.compose.answers.matrix import Matrix, numbered
from evals.compose.predictions import Embedded
from routers.outcomes import Query

EXPERTS = ("sums", "cities", "guesser", "slow")
RIGHT = {"sums": (0.9, 0.2), "cities": (0.2, 0.9), "guesser": (0.5, 0.5), "slow": (0.45, 0.45)}
PRICES = np.array([2.0, 2.0, 1.0, 8.0])


def made(count: int = 240, seed: int = 1) -> Matrix:
    """Right answers are `right`; every second question is about cities; every pair is a group."""
    random = np.random.default_rng(seed)
    kinds = np.arange(count) % 2
    chance = np.array([RIGHT[name] for name in EXPERTS])[:, kinds].T
    right = random.random(chance.shape) < chance
    wrong = random.integers(0, 6, size=chance.shape)
    answers = [
        ["right" if right[n, m] else f"wrong {wrong[n, m]}" for m in range(len(EXPERTS))]
        for n in range(count)
    ]
    return Matrix(
        tuple(Query(f"q{n}", ("sums", "cities")[n % 2], f"question {n}") for n in range(count)),
        np.array([f"g{n // 2}" for n in range(count)]),
        EXPERTS,
        right.astype(float),
        np.array([numbered(row) for row in answers]),
        np.broadcast_to(PRICES, right.shape).copy(),
        np.broadcast_to(PRICES / 10, right.shape).copy(),
        np.full(right.shape, 7.0),
        np.array([10.0, 10.0, 5.0, 40.0]),
        PRICES,
        "USD",
        "text",
        ("v1",) * len(EXPERTS),
        ("made",),
    )


def embed(matrix: Matrix, seed: int = 2) -> Embedded:
    """Two clouds, one for each kind of question."""
    random = np.random.default_rng(seed)
    kinds = np.array([query.task == "cities" for query in matrix.queries], dtype=float)
    noise = random.normal(scale=0.2, size=(4, len(kinds)))
    raw = np.stack([kinds, 1 - kinds, *noise], axis=1)
    vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    return Embedded(matrix, vectors, "made")


@pytest.fixture(scope="session")
def pool() -> Embedded:
    return embed(made())


@pytest.fixture
def changed(pool: Embedded) -> Callable[..., Embedded]:
    """The pool with other fields in its matrix."""

    def change(**fields: object) -> Embedded:
        return replace(pool, matrix=replace(pool.matrix, **fields))  # type: ignore[arg-type]

    return change
