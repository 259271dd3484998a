"""The routers' experiment on made-up recordings, with an encoder whose vectors are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from evals.benchmarks.routing.experiment import (
    ORACLE,
    RANDOM,
    ROUTERS,
    SINGLE,
    VOTE,
    Experiment,
    check,
    folds,
    run,
)
from evals.benchmarks.routing.quality_cost import aiq, hull
from evals.benchmarks.routing.recorded_report import draw, lines, print_experiment, write_lines
from evals.runs.recorded import Recorded, read_recorded
from experts.errors import ConfigError

MODELS = ("sums", "cities", "guesser")
COUNT = 120


def tables(folder: Path, **changes: Any) -> str:
    """Questions of two kinds; two models know one each, a third is right now and then."""
    rng = np.random.default_rng(1)
    queries, outcomes = [], []
    for number in range(COUNT):
        kind = number % 2
        row = {
            "query_id": f"q{number}",
            "category": ("sums", "cities")[kind],
            "query": f"question {number}",
            "options": ["yes", "no"] if number % 3 == 0 else None,
            "group": f"g{number // 2}",
        }
        queries.append({**row, **changes})
        for column, model in enumerate(MODELS):
            right = rng.random() < (0.9, 0.1, 0.4)[(column + kind) % 2 if column < 2 else 2]
            answer = "A" if right else "BC"[column % 2]
            entry = {"query_id": f"q{number}", "model": model, "score": float(right)}
            outcomes.append({**entry, "pred": answer, "cost_usd": (3.0, 2.0, 1.0)[column]})
    prefix = str(folder / "made")
    pq.write_table(pa.Table.from_pylist(queries), f"{prefix}_queries.parquet")
    pq.write_table(pa.Table.from_pylist(outcomes), f"{prefix}_outcomes.parquet")
    return prefix


def vectors(recorded: Recorded) -> Any:
    """Two clouds, one for each kind of question."""
    rng = np.random.default_rng(2)
    kinds = np.array([query.task == "cities" for query in recorded.queries], dtype=float)
    raw = np.stack([kinds, 1 - kinds, *rng.normal(scale=0.2, size=(4, len(kinds)))], axis=1)
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return read_recorded(tables(tmp_path_factory.mktemp("recorded")), MODELS)


@pytest.fixture(scope="module")
def experiment(recorded: Recorded) -> Experiment:
    both = (vectors(recorded),) * 2
    return run(recorded, recorded, folds(recorded, 3), both, "made", lambda *words: None)


def test_questions_carry_their_options(recorded: Recorded) -> None:
    assert recorded.queries[0].text == "question 0\n(A) yes\n(B) no"
    assert recorded.unit == "USD"
    assert recorded.prices[0].tolist() == [3.0, 2.0, 1.0]


def test_groups_never_cross_a_split(recorded: Recorded) -> None:
    for seen, unseen in folds(recorded, 3):
        assert not set(recorded.groups[seen]) & set(recorded.groups[unseen])


def test_who_was_asked_least_is_named(recorded: Recorded) -> None:
    scores = recorded.scores.copy()
    scores[:, 2] = np.nan
    lacking = replace(recorded, scores=scores)
    with pytest.raises(ConfigError) as error:
        check(folds(lacking), lacking)
    assert f"least of {COUNT}: {recorded.models[2]} (0), " in (error.value.hint or "")
    check(folds(recorded), recorded)


def test_every_router_beats_the_best_single_where_experts_differ(experiment: Experiment) -> None:
    found = {line.name: line for line in lines(experiment)}
    assert experiment.questions == COUNT
    for name in ROUTERS:
        assert found[name].gain.low > 0, name
    assert found[SINGLE].gain.mean == 0
    assert found[ORACLE].of_the_gap == pytest.approx(1)
    assert found[RANDOM].accuracy.mean < found[SINGLE].accuracy.mean + 0.05
    assert found[VOTE].calls == 3
    assert found[VOTE].price == pytest.approx(6.0)


def test_the_curve_ends_at_the_cheapest(experiment: Experiment) -> None:
    curve = experiment.ways["knn"].curve
    assert curve[-1][0] == pytest.approx(1.0)
    assert curve[0][1] == pytest.approx(experiment.ways["knn"].scores.mean())


def test_table_json_and_picture(experiment: Experiment, tmp_path: Path) -> None:
    console = Console(width=140, record=True, quiet=True)
    assert print_experiment(console, experiment, "Made up.") == 0
    write_lines(tmp_path / "out.json", experiment, {"fit": "made"})
    tree = json.loads((tmp_path / "out.json").read_text())
    assert tree["ways"]["kernel"]["gain"] > 0.1
    draw(tmp_path / "out.svg", experiment)
    assert "<svg" in (tmp_path / "out.svg").read_text()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda prefix: Path(f"{prefix}_outcomes.parquet").unlink(), "there is no such table"),
        (
            lambda prefix: Path(f"{prefix}_queries.parquet").write_bytes(b"no"),
            "cannot be read",
        ),
        (
            lambda prefix: pq.write_table(
                pa.table({"query_id": ["q0"]}), f"{prefix}_queries.parquet"
            ),
            "lacks the columns category",
        ),
    ],
)
def test_bad_tables(spoil: Callable[[str], object], words: str, tmp_path: Path) -> None:
    prefix = tables(tmp_path)
    spoil(prefix)
    with pytest.raises(ConfigError, match=words):
        read_recorded(prefix, MODELS)


def test_unknown_models_and_twice_the_same(tmp_path: Path) -> None:
    prefix = tables(tmp_path)
    with pytest.raises(ConfigError, match="has no eve"):
        read_recorded(prefix, ["sums", "eve"])
    with pytest.raises(ConfigError, match="named twice"):
        read_recorded(prefix, ["sums", "sums"])


def test_prices_are_sizes_where_costs_are_missing(tmp_path: Path) -> None:
    prefix = tables(tmp_path)
    table = pq.read_table(f"{prefix}_outcomes.parquet").drop_columns(["cost_usd"])
    pq.write_table(table, f"{prefix}_outcomes.parquet")
    assert read_recorded(prefix, MODELS).unit == "calls"
    sizes = zip(MODELS, (7, 8, 9), strict=True)
    rows = "\n".join(f"made,{name},{size},{size}" for name, size in sizes)
    (tmp_path / "models.csv").write_text(f"source,model,params_b,active_b\n{rows}\n")
    sized = read_recorded(prefix, MODELS)
    assert sized.unit == "billions of active parameters"
    assert sized.prices[0].tolist() == [7, 8, 9]


class TestQualityCost:
    def test_the_hull_leaves_out_what_is_dearer_and_no_better(self) -> None:
        points = [(1.0, 0.5), (2.0, 0.4), (2.0, 0.6), (3.0, 0.8), (4.0, 0.8)]
        assert hull(points) == [(1.0, 0.5), (3.0, 0.8)]

    def test_aiq_is_the_mean_height(self) -> None:
        assert aiq([(1.0, 0.5), (3.0, 0.9)], 3.0) == pytest.approx(0.7)
        assert aiq([(1.0, 0.5), (3.0, 0.9)], 5.0) == pytest.approx(0.8)
        assert aiq([(1.0, 0.5)], 1.0) == 0.5

    @given(
        st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=12),
        st.integers(0, 20),
    )
    def test_more_points_are_never_worse(self, points: Any, quality: int) -> None:
        dearest = 20.0
        cheapest = min(points)[0]
        more = [*points, (cheapest, quality)]
        assert aiq(more, dearest) >= aiq(points, dearest) - 1e-9
