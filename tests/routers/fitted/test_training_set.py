"""What of an outcome table a router is fitted to."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experts.errors import ConfigError
from routers.fitted.training_set import read_training_set
from routers.outcomes import Outcome, OutcomeTable


class Encoder:
    """Vectors of two dimensions."""

    name, dimension = "flat", 2

    def encode(self, texts: Any) -> Any:
        return np.tile(np.array([[1.0, 0.0]], np.float32), (len(texts), 1))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [
        Outcome(f"{task}-{number}", task, f"{task} {number}?", expert, "v1", score)
        for task, expert, score in (("sums", "one", 1.0), ("sums", "two", 0.0), ("law", "two", 1.0))
        for number in range(3)
    ]
    path = tmp_path / "outcomes.parquet"
    OutcomeTable.from_rows(rows).write(path)
    return path


def read(table: Path, *tasks: str) -> Any:
    return read_training_set(table, ("one", "two"), Encoder(), "routers.knn.outcomes", tasks)


def test_all_of_a_table_by_default(table: Path) -> None:
    found, warnings = read(table)
    assert len(found.queries) == 6
    assert warnings == ()


def test_the_outcomes_of_named_tasks_only(table: Path) -> None:
    found, _ = read(table, "sums")
    assert {query.task for query in found.queries} == {"sums"}
    assert found.experts == ("one", "two")
    alone, warnings = read(table, "law")
    assert alone.experts == ("two",)
    assert "one is never chosen" in warnings[0]


def test_a_task_without_outcomes_is_named(table: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(table, "sums", "poems")
    assert "has no outcomes of poems" in caught.value.message
    assert "law, sums" in caught.value.hint
