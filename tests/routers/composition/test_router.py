"""The map of a Composition of Experts: budgets, small categories, and the best of all maps."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experts.errors import ConfigError
from routers.composition.mapping import Utilities, solve, utilities
from routers.fitted.training_set import TrainingSet
from routers.outcomes import Query


def problem(values: list[list[float]], shares: list[float] | None = None) -> Utilities:
    count = len(values)
    return Utilities(
        tuple(f"c{n}" for n in range(count)),
        np.array(values),
        np.array(shares or [1 / count] * count),
    )


def test_without_a_budget_every_category_gets_its_best() -> None:
    found = solve(problem([[0.9, 0.1], [0.2, 0.8]]), np.array([1.0, 1.0]))
    assert found.experts.tolist() == [0, 1]
    assert found.quality == pytest.approx(0.85)
    assert (found.total, found.active) == (2.0, 1.0)


def test_a_total_budget_leaves_who_is_worth_most() -> None:
    found = solve(problem([[0.9, 0.1], [0.2, 0.8]]), np.array([1.0, 1.0]), total=1.0)
    assert found.experts.tolist() == [0, 0]
    assert found.chosen.tolist() == [0]


def test_an_active_budget_uses_the_large_one_where_it_helps_most() -> None:
    values = [[0.5, 0.9], [0.5, 0.6], [0.5, 0.95]]
    found = solve(problem(values), np.array([1.0, 10.0]), active=4.0)
    assert found.experts.tolist() == [0, 0, 1]
    assert found.active == pytest.approx(4.0)


def test_who_must_be_kept_counts() -> None:
    values = problem([[0.9, 0.1], [0.2, 0.8]])
    found = solve(values, np.array([1.0, 1.0]), total=1.0, kept=(1,))
    assert found.chosen.tolist() == [1]


def test_a_budget_below_everybody_says_so() -> None:
    with pytest.raises(ConfigError, match="No set of experts fits"):
        solve(problem([[0.5, 0.5]]), np.array([2.0, 3.0]), total=1.0)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_other_set_is_better(data: st.DataObject) -> None:
    experts, categories = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    grid = st.integers(0, 20).map(lambda n: n / 20)
    values = np.array(data.draw(_matrix(grid, categories, experts)))
    shares = np.array(data.draw(_row(st.integers(1, 9), categories)), float)
    sizes = np.array(data.draw(_row(st.integers(1, 9), experts)), float)
    budget = data.draw(st.integers(int(sizes.min()), int(sizes.sum())))
    shares /= shares.sum()
    utility = Utilities(tuple(map(str, range(categories))), values, shares)

    found = solve(utility, sizes, float(budget))
    assert found.total <= budget + 1e-6
    best = max(
        float(shares @ values[:, list(some)].max(axis=1))
        for count in range(1, experts + 1)
        for some in combinations(range(experts), count)
        if sizes[list(some)].sum() <= budget
    )
    assert found.quality == pytest.approx(best, abs=1e-5)


def _row(values: st.SearchStrategy[int], count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(values, min_size=count, max_size=count)


def _matrix(values: st.SearchStrategy[float], rows: int, columns: int) -> st.SearchStrategy[Any]:
    row = st.lists(values, min_size=columns, max_size=columns)
    return st.lists(row, min_size=rows, max_size=rows)


def test_small_categories_are_drawn_to_the_overall_mean() -> None:
    scores = np.array([[1.0, 0.0]] * 1 + [[0.0, 1.0]] * 99)
    tasks = ["rare"] + ["usual"] * 99
    queries = tuple(Query(str(n), task, str(n)) for n, task in enumerate(tasks))
    training_set = TrainingSet(queries, ("a", "b"), np.zeros((100, 2), np.float32), scores, "e")
    free, drawn = utilities(training_set, 0.0), utilities(training_set, 20.0)
    assert free.values[0].tolist() == [1.0, 0.0]
    assert drawn.values[0, 0] == pytest.approx((1 + 20 * 0.01) / 21)
    assert drawn.shares.tolist() == pytest.approx([0.01, 0.99])
