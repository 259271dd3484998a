"""What is expected of experts that know different parts of one skill."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import ConfigError
from experts.types import Request
from routers.fitted.training_set import TrainingSet
from routers.outcomes import Outcome, OutcomeTable, Query
from routers.registry import build as build_router
from routers.symbolic_moe.expectations import Symbolic
from routers.symbolic_moe.symbolic_config import SymbolicConfig

TEXTS = ("add one two", "add three four", "add five six", "capital of peru", "capital of chad")


def ask(text: str) -> Request:
    body = {"messages": [{"role": "user", "content": text}]}
    return Request("r", "chat/completions", body, ())


@pytest.fixture
def make(tmp_path: Path, encoder: Any) -> Any:
    """A router over a table in which every question has the same skill."""
    path = tmp_path / "outcomes.parquet"
    rows = [
        Outcome(f"q{n}", "all", text, expert, "1", float(text.startswith("add") == (expert == "a")))
        for n, text in enumerate(TEXTS)
        for expert in ("a", "b")
    ]
    OutcomeTable.from_rows(rows).write(path)

    def make(**keys: Any) -> Any:
        settings = {"type": "symbolic_moe", "outcomes": str(path), "least_share": 0, **keys}
        return build_router("s", settings, ("a", "b"), lambda: encoder)

    return make


def test_near_questions_tell_apart_who_knows_which_part_of_a_skill(make: Any) -> None:
    asked = [ask("add one six"), ask("capital of mali")]
    assert [one.panel for one in make().route(asked)] == [("a", "b"), ("a", "b")]
    found = make(neighbours=2).route(asked)
    assert [one.panel for one in found] == [("a", "b"), ("b", "a")]
    assert [one.scores[0][0] for one in found] == ["a", "b"]
    assert {one.evidence["skills"][0] for one in found} == {"all"}


def test_who_is_rare_is_decided_with_near_questions_too(make: Any) -> None:
    one = {"experts": 1, "trim_below": 0.3}
    assert make(**one).route([ask("capital of mali")])[0].panel == ("a",)
    assert make(**one, neighbours=1).route([ask("capital of mali")])[0].panel == ("b",)


def test_draws_go_by_skills_alone(make: Any) -> None:
    with pytest.raises(ConfigError, match="neighbours needs mode `best`"):
        make(neighbours=2, mode="paper")


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=9),
    st.integers(1, 12),
    st.floats(0.1, 10),
)
def test_what_is_expected_lies_between_scores_and_skills(
    questions: list[tuple[int, int]], neighbours: int, weight: float
) -> None:
    questions = [(0, 1), *questions]  # Whoever is in a table was asked something.
    scores = np.array([[mark, np.nan if kind else 1 - mark] for kind, mark in questions], float)
    queries = tuple(Query(str(n), "t", str(n)) for n in range(len(questions)))
    vectors = np.eye(3, dtype=np.float32)[[kind for kind, _ in questions]]
    keys = {"neighbours": neighbours, "skill_weight": weight, "least_share": 0, "trim_below": 0}
    given = {"type": "symbolic_moe", "outcomes": "t", **keys}
    config = SymbolicConfig.model_validate(given)
    symbolic = Symbolic.fit(TrainingSet(queries, ("a", "b"), vectors, scores, "e"), config)
    found = symbolic.predict(vectors)
    assert found.shape == scores.shape
    assert ((found >= 0) & (found <= 1)).all()
    # A question is not its own neighbour, however many are equal.
    assert sorted(symbolic.frequent(np.arange(2))) == [0, 1]
