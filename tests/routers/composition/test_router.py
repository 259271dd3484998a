"""The map of a Composition of Experts: budgets, small categories, and the best of all maps."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experts.errors import ConfigError
from routers.composition.composition_config import CompositionConfig
from routers.composition.mapping import Utilities, solve, utilities
from routers.composition.router import Composition, CompositionRouter
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


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_no_other_map_within_an_active_budget_is_better(data: st.DataObject) -> None:
    experts, categories = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    grid = st.integers(0, 20).map(lambda n: n / 20)
    values = np.array(data.draw(_matrix(grid, categories, experts)))
    shares = np.array(data.draw(_row(st.integers(1, 9), categories)), float)
    sizes = np.array(data.draw(_row(st.integers(1, 9), experts)), float)
    works = np.array([data.draw(st.integers(1, int(size))) for size in sizes], float)
    budget = float(data.draw(st.integers(int(works.min()), int(works.max()))))
    shares /= shares.sum()
    utility = Utilities(tuple(map(str, range(categories))), values, shares)

    found = solve(utility, sizes, active=budget, active_sizes=works)
    assert found.active <= budget + 1e-6
    rows = np.arange(categories)
    best = max(
        float(shares @ values[rows, list(chosen)])
        for chosen in product(range(experts), repeat=categories)
        if shares @ works[list(chosen)] <= budget + 1e-9
    )
    assert found.quality == pytest.approx(best, abs=1e-6)


def test_what_works_on_a_token_counts_for_the_active_budget_only() -> None:
    values, sizes, works = problem([[0.5, 0.9]]), np.array([7.0, 47.0]), np.array([7.0, 13.0])
    assert solve(values, sizes, active=13.0, active_sizes=works).experts.tolist() == [1]
    assert solve(values, sizes, total=20.0, active_sizes=works).experts.tolist() == [0]
    assert solve(values, sizes, active=13.0, active_sizes=works).active == 13.0


@pytest.mark.parametrize("budget", [{}, {"total": 9.0}, {"active": 3.0}])
def test_of_equal_experts_the_smallest_answers_alone(budget: dict[str, Any]) -> None:
    found = solve(problem([[0.5] * 3, [0.5] * 3]), np.array([3.0, 2.0, 4.0]), **budget)
    assert found.experts.tolist() == [1, 1]
    assert found.chosen.tolist() == [1]


def made(tasks: list[str]) -> TrainingSet:
    """Questions on a circle, each task in one place; the second expert is always right."""
    angles = np.unique(tasks, return_inverse=True)[1] + np.linspace(0, 0.2, len(tasks))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    queries = tuple(Query(str(n), task, str(n)) for n, task in enumerate(tasks))
    scores = np.array([[0.0, 1.0]] * len(tasks))
    return TrainingSet(queries, ("a", "b"), vectors, scores, "e")


@pytest.mark.parametrize("classifier", ["knn", "logistic", "kernel"])
@pytest.mark.parametrize("tasks", [["one"] * 12, ["one"] * 11 + ["rare"]], ids=["one", "rare"])
def test_few_categories_and_more_neighbours_than_questions(
    classifier: str, tasks: list[str]
) -> None:
    training_set = made(tasks)
    predictor = Composition.fit(training_set, config(classifier=classifier, neighbours=500))
    scores = predictor.predict(training_set.vectors)
    assert scores.argmax(axis=1).tolist() == [1] * 12


def config(**keys: Any) -> CompositionConfig:
    return CompositionConfig.model_validate(
        {"type": "composition", "outcomes": "x.parquet", **keys}
    )


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"sizes": {"a": 1, "b": 2, "c": 3}}, "sizes.c: no expert is called `c`"),
        ({"active_sizes": {"c": 3}}, "active_sizes.c: no expert is called `c`"),
        ({"sizes": {"a": 0, "b": 1}}, "sizes.a: must be above 0."),
        ({"budget": 0.5}, "budget: 0.5 is below the smallest expert, a, which has 1."),
        ({"sizes": {"a": 3, "b": 2}, "active_budget": 1}, "active_budget: 1 is below the smallest"),
    ],
)
def test_keys_that_do_not_fit_are_named(keys: dict[str, Any], said: str) -> None:
    [problem] = config(**keys).problems(["a", "b"])
    assert problem.startswith(said)


def test_a_budget_needs_the_size_of_everybody() -> None:
    training_set = made(["one"] * 12)
    with pytest.raises(ConfigError, match="sizes: b must have one, too"):
        CompositionRouter.fit(training_set, config(sizes={"a": 1}, budget=2))
    assert CompositionRouter.fit(training_set, config(sizes={"a": 1})).training_set is training_set


@pytest.mark.parametrize(
    ("budgets", "said"),
    [
        ({"budget": 5}, "budget: 5 is below the general expert of `coverage`, big, which has 6."),
        ({"budget": 7, "active_budget": 3}, "active_budget: 3 is below every expert that has room"),
        ({"budget": 8, "active_budget": 3}, ""),
        ({"budget": 7, "active_budget": 6}, ""),
        ({"budget": 7}, ""),
    ],
)
def test_the_general_expert_counts_in_a_budget(budgets: dict[str, Any], said: str) -> None:
    sizes = {"a": 2, "b": 3, "big": 6}
    keys = {"sizes": sizes, "coverage": {"action": "general", "general": "big"}, **budgets}
    problems = config(**keys).problems(["a", "b", "big"])
    assert [problem.startswith(said) for problem in problems] == [True] * bool(said)


def test_a_budget_that_fits_one_expert_is_no_problem() -> None:
    assert config(sizes={"a": 3, "b": 2}, budget=2).problems(["a", "b"]) == ()
