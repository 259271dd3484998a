"""Questions without a category: they join the nearest one, or `general`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import ConfigError
from routers.composition.unlabelled import GENERAL, check, labelled
from routers.fitted.training_set import TrainingSet
from routers.outcomes import Outcome, OutcomeTable, Query
from routers.registry import build

SERVED = "pool/auto"


def made(tasks: list[str], angles: list[float]) -> TrainingSet:
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    queries = tuple(Query(str(n), task, str(n)) for n, task in enumerate(tasks))
    return TrainingSet(queries, ("a",), vectors, np.ones((len(tasks), 1)), "e")


def tasks_of(training_set: TrainingSet) -> list[str]:
    return [query.task for query in training_set.queries]


def test_each_joins_the_nearest_category() -> None:
    given_ = made(["sums", "cities", SERVED, SERVED], [0.0, 1.5, 0.1, 1.4])
    assert tasks_of(labelled(given_, [SERVED], 1, 0.0)) == ["sums", "cities", "sums", "cities"]


def test_who_is_between_two_categories_is_general() -> None:
    given_ = made(["sums", "cities", SERVED, SERVED], [0.0, 1.5, 0.0, 0.75])
    assert tasks_of(labelled(given_, [SERVED], 2, 0.6)) == ["sums", "cities", "sums", GENERAL]


def test_without_any_category_all_are_general() -> None:
    assert tasks_of(labelled(made([SERVED], [0.0]), [SERVED], 9, 0.0)) == [GENERAL]


@given(st.lists(st.sampled_from(["sums", "cities", SERVED]), min_size=1, max_size=12))
def test_what_has_a_category_keeps_it(tasks: list[str]) -> None:
    before = made(tasks, np.linspace(0, 3, len(tasks)).tolist())
    after = tasks_of(labelled(before, [SERVED], 3, 0.5))
    assert SERVED not in after
    assert [new for old, new in zip(tasks, after, strict=True) if old != SERVED] == [
        old for old in tasks if old != SERVED
    ]


def test_a_task_that_the_table_lacks_is_named() -> None:
    with pytest.raises(ConfigError, match="no task pool/other"):
        check(made(["sums"], [0.0]), ["pool/other"])


def test_some_question_must_have_a_category() -> None:
    with pytest.raises(ConfigError, match="no question"):
        check(made([SERVED], [0.0]), [SERVED])


def test_a_router_learns_from_what_was_served_and_reads_it_back(
    tmp_path: Any, encoder: Any, ask: Any
) -> None:
    texts = {"sums": "add {} two", "cities": "capital of {}"}
    words = ("one", "peru", "six", "spain", "nine", "chile", "ten", "cuba")
    rows = [
        Outcome(
            f"{kind}{n}",
            kind if n < 3 else SERVED,
            text.format(word),
            expert,
            "1",
            float((expert == "adder") == (kind == "sums")),
        )
        for kind, text in texts.items()
        for n, word in enumerate(words)
        for expert in ("adder", "atlas")
    ]
    table, artifact = tmp_path / "t.parquet", tmp_path / "a.safetensors"
    OutcomeTable.from_rows(rows).write(table)
    keys = {"type": "composition", "neighbours": 3, "unlabelled": [SERVED]}
    pool = ("adder", "atlas")
    first: Any = build("coe", {**keys, "outcomes": str(table)}, pool, lambda: encoder)
    first.save(artifact)
    again = build("coe", {**keys, "artifact": str(artifact)}, pool, lambda: encoder)

    asked = [ask("add seven two"), ask("capital of mali")]
    for router in (first, again):
        decisions = router.route(asked)
        assert [decision.scores[0][0] for decision in decisions] == ["adder", "atlas"]
        assert {*decisions[0].evidence["categories"]} == {"sums", "cities"}
