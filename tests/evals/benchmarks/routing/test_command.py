"""`coterie eval routers`, `votes` and `coverage`: what they refuse, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evals.benchmarks.routing import command
from experts.errors import ConfigError

COUNT = 40


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    """Two models on questions of two groups."""
    queries = [
        {
            "query_id": f"q{n}",
            "category": "c",
            "query": f"{n}",
            "options": None,
            "group": f"g{n % 2}",
        }
        for n in range(COUNT)
    ]
    outcomes = [
        {"query_id": f"q{n}", "model": model, "score": 1.0, "pred": "A"}
        for n in range(COUNT)
        for model in ("a", "b")
    ]
    pq.write_table(pa.Table.from_pylist(queries), tmp_path / "t_queries.parquet")
    pq.write_table(pa.Table.from_pylist(outcomes), tmp_path / "t_outcomes.parquet")
    return str(tmp_path / "t")


class Shown:
    """A progress that nobody sees."""

    def doing(self, *words: object) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"pool": "a"}, "one model|One model"),
        ({"pool": "a,c"}, "has no c"),
        ({"folds": 5}, "--folds 5: there are fewer different questions"),
        ({"plot": Path("curve.gif")}, "--plot curve.gif"),
        ({"json_out": Path("/")}, "it is a folder"),
        ({"vectors_file": Path("/")}, "--vectors"),
    ],
)
@pytest.mark.parametrize("what", ["routers", "votes", "coverage"])
def test_what_is_refused_is_refused_before_questions_are_embedded(
    prefix: str, what: str, keys: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def embedded(*_: Any) -> Any:
        raise AssertionError("refused only after some work")

    monkeypatch.setattr(command, "embedded", embedded)
    if what == "coverage" and keys == {"pool": "a"}:
        pytest.skip("one model may abstain, too")
    given = {"pool": "", "folds": 2, "vectors_file": None, "plot": None, "json_out": None, **keys}
    more: dict[str, dict[str, Any]] = {
        "routers": {"test": None},
        "votes": {"benchmark": "", "by_category": False},
        "coverage": {"benchmark": "", "foreign": None},
    }
    with pytest.raises(ConfigError, match=words):
        getattr(command, what)(Shown(), fit=prefix, **more[what], **given)


def test_foreign_tables_are_read_first(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "embedded", None)
    with pytest.raises(ConfigError, match="nothing_queries"):
        command.coverage(Shown(), prefix, "nothing", "", "", 2, None, None, None)  # type: ignore[arg-type]
