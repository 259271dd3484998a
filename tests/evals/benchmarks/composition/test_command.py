"""`coterie router map`: its tables, its claim, its picture, on recordings and on a router."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from typer.testing import CliRunner

from evals.benchmarks.composition import command
from evals.cli import main as _commands  # noqa: F401 - it adds the command
from experts.errors import ConfigError
from orchestrator.cli.main import app
from orchestrator.config.model import load_config
from routers.outcomes import Outcome, OutcomeTable


class Shown:
    """A progress that nobody sees."""

    def doing(self, *words: object) -> None:
        """Nothing."""


class KindEncoder:
    """Even questions point one way, odd ones another."""

    name = "kinds"
    dimension = 2

    def __init__(self, **keys: Any) -> None:
        pass

    def encode(self, texts: list[str]) -> Any:
        kinds = [int(text.split()[1]) % 2 for text in texts]
        return np.eye(2, dtype=np.float32)[kinds]


def printed(finish: Any) -> tuple[int, str]:
    out = io.StringIO()
    return finish(Console(file=out, width=200)), out.getvalue()


def wanted(**keys: Any) -> tuple[Any, ...]:
    given = {"folds": 3, "points": 4, "at": None, "labels": False, "fallback": False}
    return tuple(command.Wanted(**{**given, "plot": None, "json_out": None, **keys}))


def test_recordings_are_mapped_drawn_and_written(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "MiniLMEncoder", KindEncoder)
    plot, numbers = tmp_path / "a" / "map.png", tmp_path / "b" / "map.json"
    options = wanted(plot=plot, json_out=numbers, labels=True, fallback=True)
    code, text = printed(command.recorded_map(Shown(), prefix, "", "knn", None, options))  # type: ignore[arg-type]

    assert code == 0
    assert "3 models with sizes in billions; 240 questions" in text
    assert "left out: odd: models.csv has no size" in text
    assert "Above every single expert of that total size or smaller from 10" in text
    assert "95 % hidden: each to the nearest" in text
    assert "questions of a category that was not fitted on" in text
    assert plot.read_bytes().startswith(b"\x89PNG")
    tree = json.loads(numbers.read_text(encoding="utf-8"))
    assert {*tree["sweeps"]} == {"total", "active"}
    assert tree["sweeps"]["total"][-1]["comparison"]["rival"] == "large"


@pytest.mark.parametrize(
    ("pool", "classifier", "changes", "words"),
    [
        ("sums", "knn", {}, "A pool of one model"),
        ("sums,cities", "oracle", {}, "There is no classifier oracle"),
        ("sums,odd", "knn", {}, "odd: models.csv has no size"),
        ("sums,cities", "knn", {"at": 2.5}, "--at 2.5 is below every expert: the smallest, cities"),
        ("sums,cities", "knn", {"folds": 500}, "fewer than 500 different questions"),
        ("sums,cities", "knn", {"plot": Path("map.gif")}, "--plot map.gif"),
    ],
)
def test_what_is_refused_is_refused_before_questions_are_embedded(
    prefix: str,
    pool: str,
    classifier: str,
    changes: dict[str, Any],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def embedded(*_: Any) -> Any:
        raise AssertionError("refused only after some work")

    monkeypatch.setattr(command, "embedded", embedded)
    with pytest.raises(ConfigError, match=words):
        command.recorded_map(Shown(), prefix, pool, classifier, None, wanted(**changes))  # type: ignore[arg-type]


@pytest.fixture
def settings(prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A pool whose outcome table is the recording, with a composition and another router."""
    recorded = pq.read_table(f"{prefix}_outcomes.parquet").to_pylist()
    rows = [
        Outcome(
            row["query_id"],
            ("sums", "cities")[int(row["query_id"][1:]) % 2],
            f"question {row['query_id'][1:]}",
            row["model"],
            "1",
            row["score"],
        )
        for row in recorded
        if row["model"] != "odd"
    ]
    OutcomeTable.from_rows(rows).write(tmp_path / "outcomes.parquet")
    lines = [
        "experts:",
        *(
            f"  {name}: {{type: openai, base_url: 'http://127.0.0.1:9/v1', model: m}}"
            for name in ("sums", "cities", "large")
        ),
        "routers:",
        "  coe: {type: composition, outcomes: outcomes.parquet, budget: 12,",
        "        sizes: {sums: 4, cities: 6, large: 70}}",
        "  near: {type: knn, outcomes: outcomes.parquet}",
    ]
    file = tmp_path / "pool.yaml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setattr(
        "orchestrator.cli.router_fitting.encoder_of", lambda *words: lambda: KindEncoder()
    )
    return load_config(file)


def test_a_router_is_mapped_within_its_own_budget(settings: Any) -> None:
    code, text = printed(command.configured_map(Shown(), settings, "coe", wanted()))  # type: ignore[arg-type]
    rows = [line.split() for line in text.splitlines()]
    assert code == 0
    assert [row[2] for row in rows[2:4]] == ["cities", "sums"]
    assert "routers.coe, 3 experts; 240 questions" in text


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("near", {}, "of type knn: it has no map"),
        ("far", {}, "no router `far`"),
        ("coe", {"at": 1.0}, "--at 1 is below every expert: the smallest, sums, has 4 active"),
    ],
)
def test_what_is_refused_is_refused_before_a_router_is_fitted(
    settings: Any, name: str, changes: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fitted_router(*_: Any) -> Any:
        raise AssertionError("refused only after some work")

    monkeypatch.setattr(command, "fitted_router", fitted_router)
    with pytest.raises(ConfigError, match=words):
        command.configured_map(Shown(), settings, name, wanted(**changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("words", [[], ["coe", "--fit", "x"]], ids=["neither", "both"])
def test_a_name_or_recordings_and_not_both(words: list[str]) -> None:
    said = CliRunner().invoke(app, ["router", "map", *words])
    assert isinstance(said.exception, ConfigError)
    assert "--fit" in str(said.exception)
