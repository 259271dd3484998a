"""Choices that no router makes: within their budgets, and better than what they bound."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.benchmarks.composition.oracle import by_lot, frontier, grown

MATRIX = st.integers(2, 5).flatmap(
    lambda width: st.lists(
        st.lists(st.sampled_from([0.0, 1.0]), min_size=width, max_size=width),
        min_size=1,
        max_size=8,
    )
)


def sizes_of(width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 9, size=width).astype(float)


@settings(deadline=None)
@given(MATRIX, st.integers(0, 99), st.floats(1, 3))
def test_a_grown_set_fits_and_is_between_one_expert_and_the_best_set(
    rows: list[list[float]], seed: int, times: float
) -> None:
    scores = np.array(rows)
    sizes = sizes_of(scores.shape[1], seed)
    budget = float(sizes.min() * times)
    reached = grown(scores, sizes, budget).mean()
    every = [
        list(some)
        for count in range(1, len(sizes) + 1)
        for some in combinations(range(len(sizes)), count)
        if sizes[list(some)].sum() <= budget + 1e-9
    ]
    assert reached <= max(scores[:, some].max(axis=1).mean() for some in every) + 1e-12
    assert reached >= max(scores[:, some].mean() for some in every if len(some) == 1) - 1e-12


def test_two_that_complete_each_other_are_both_kept() -> None:
    scores = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    assert grown(scores, np.array([1.0, 1.0, 1.0]), 2.0).tolist() == [1.0, 1.0]


@settings(deadline=None)
@given(MATRIX, st.integers(0, 99))
def test_the_frontier_rises_from_the_smallest_expert_to_all(
    rows: list[list[float]], seed: int
) -> None:
    scores = np.array(rows)
    sizes = sizes_of(scores.shape[1], seed)
    at = frontier(scores, sizes)
    found = [at(float(budget)) for budget in np.linspace(sizes.min(), sizes.max(), 9)]
    assert found == sorted(found)
    assert found[-1] == pytest.approx(scores.max(axis=1).mean())
    smallest = scores[:, sizes == sizes.min()].max(axis=1).mean()
    assert found[0] == pytest.approx(smallest)


def test_half_the_questions_can_be_paid_for() -> None:
    scores, sizes = np.array([[0.0, 1.0]] * 4), np.array([1.0, 3.0])
    assert frontier(scores, sizes)(2.0) == pytest.approx(0.5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(0, 99), st.floats(1, 4))
def test_a_lot_spends_no_more_than_its_budget_and_is_no_worse_than_one_expert(
    means: list[float], seed: int, times: float
) -> None:
    sizes = sizes_of(len(means), seed)
    budget = float(sizes.min() * times)
    shares = by_lot(np.array(means), sizes, budget)
    assert shares.sum() == pytest.approx(1.0)
    assert (shares > 0).sum() <= 2
    assert shares @ sizes <= budget * (1 + 1e-6)
    best = max(mean for mean, size in zip(means, sizes, strict=True) if size <= budget)
    assert shares @ np.array(means) >= best - 1e-9
