"""`coterie compose` from recorded tables to what is printed, drawn and written."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from rich.console import Console

from evals.client.progress import Progress
from evals.compose import candidates, command
from evals.compose.composition import Alone, Composition, Order
from evals.compose.confidence import Paired
from evals.compose.experiment import Drop
from evals.compose.predictions import Embedded, parts
from evals.compose.report.tables import verdict_on
from evals.runs.record import RUN_FILE, SAMPLES_FILE
from experts.errors import ConfigError
from routers.outcomes import OutcomeTable

SEARCH = (None, 2, 3, 0, 1.0)
NO_BOUNDS = (None,) * 5


@pytest.fixture(autouse=True)
def small(pool: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two routers, and an encoder that knows the made-up questions."""
    texts = [query.text for query in pool.matrix.queries]
    vectors = dict(zip(texts, pool.vectors, strict=True))

    class Encoder:
        name, dimension = "made", 6

        def __init__(self, **options: Any) -> None:
            pass

        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.stack([vectors[one] for one in texts])

    monkeypatch.setattr(command, "MiniLMEncoder", Encoder)
    monkeypatch.setattr(candidates, "ROUTERS", (Order("knn"), Order("kernel")))


@pytest.fixture
def prefix(pool: Embedded, tmp_path: Path) -> str:
    """The made-up pool as recorded tables; one question nobody was asked, one not all."""
    matrix = pool.matrix
    queries = [
        {
            "query_id": query.id,
            "category": query.task,
            "query": query.text,
            "options": None,
            "group": str(matrix.groups[row]),
            "answer_format": "text",
        }
        for row, query in enumerate(matrix.queries)
    ]
    outcomes = [
        {
            "query_id": query.id,
            "model": model,
            "score": float(matrix.scores[row, column]),
            "pred": f"said {matrix.labels[row, column]}",
            "cost_usd": float(matrix.rates[column]),
        }
        for row, query in enumerate(matrix.queries)
        for column, model in enumerate(matrix.experts)
    ]
    found = str(tmp_path / "made")
    pq.write_table(pa.Table.from_pylist(queries), f"{found}_queries.parquet")
    pq.write_table(pa.Table.from_pylist(outcomes[:-5]), f"{found}_outcomes.parquet")
    lines = ["model,params_b,active_b", *(f"{model},{5},{1}" for model in matrix.experts)]
    (tmp_path / "models.csv").write_text("\n".join(lines) + "\n")
    return found


async def run(
    progress: Progress,
    prefix: str,
    bounds: tuple[float | None, ...] = NO_BOUNDS,
    search: tuple[Any, ...] = SEARCH,
    pool: str = "",
    written: Sequence[Path | None] = (None,) * 4,
) -> str:
    outputs = ("pool/composed", *written)
    source = (None, prefix, "", pool)
    finish = await command.compose(progress, source, bounds, search, outputs)
    console = Console(width=160, record=True, file=io.StringIO())
    assert finish(console) == 0
    return console.export_text()


async def test_what_is_printed_and_written(
    progress: Progress, prefix: str, pool: Embedded, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("o.parquet", "v.npz", "c.json", "c.svg")]
    said = await run(progress, prefix, (None, 1, None, None, 30.0), written=files)
    assert "238 questions (1 that not all answered are left out)" in said
    assert "Chosen within --max-calls 1 --max-loaded-gb 30: one by router" in said
    assert "Optimism of the search: " in said
    assert "pool/composed:" in said
    assert "  composed: {type: k" in said
    assert "coterie eval run" not in said  # No panel fits into one call.
    tree = json.loads(files[2].read_text())
    assert tree["chosen"]["selected"]["memory_gb"] <= 30
    assert {one["expert"] for one in tree["experts"]} == set(pool.matrix.experts)
    assert tree["best_single"]["reported"]["seconds"] is None
    assert "<svg" in files[3].read_text()
    table = OutcomeTable.read(files[0])
    assert table.encoder == "made"
    assert len(table.queries()) == 238


async def test_the_best_single_expert_is_named_with_its_questions(
    progress: Progress, prefix: str, pool: Embedded, tmp_path: Path
) -> None:
    """`guesser` is best where it is chosen, and never right on the report."""
    outcomes = pq.read_table(f"{prefix}_outcomes.parquet").to_pylist()
    groups = {
        query.id: group
        for query, group in zip(pool.matrix.queries, pool.matrix.groups, strict=True)
    }
    left = np.array([groups[f"q{n}"] for n in range(len(pool.matrix.queries) - 2)])
    seen, _ = next(parts(left, 2, 0))
    lucky = {f"q{n}" for n in seen}
    for one in outcomes:
        if one["model"] == "guesser":
            one["score"] = float(one["query_id"] in lucky)
    pq.write_table(pa.Table.from_pylist(outcomes), f"{prefix}_outcomes.parquet")
    picture, numbers = tmp_path / "c.svg", tmp_path / "c.json"
    said = await run(progress, prefix, written=(None, None, numbers, picture))
    tree = json.loads(numbers.read_text())
    best = tree["best_single"]["name"]
    assert tree["best_single_where_chosen"]["name"] == "guesser"
    assert best != "guesser"
    assert f"questions of the report {best} is the best single expert (" in said
    assert "that chose, guesser was the best single expert; of the report it has 0.0 %" in said
    assert f"`gain` is over {best}, the best single expert" in said
    assert "s in run" in said
    assert f"best single of the report: {best}" in _words(picture)


def _words(picture: Path) -> str:
    """An SVG's texts, which matplotlib keeps as comments beside their outlines."""
    return " ".join(re.findall(r"<!-- (.*?) -->", picture.read_text()))


async def test_what_is_wrong_is_told_before_anything_is_embedded(
    progress: Progress, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def embedded(*args: Any) -> None:
        raise AssertionError("refused only after some work")

    monkeypatch.setattr(command, "embedded", embedded)
    with pytest.raises(ConfigError, match="--max-price 0: no expert alone keeps to it"):
        await run(progress, prefix, (0.0, None, None, None, None))
    with pytest.raises(ConfigError, match="--folds 500"):
        await run(progress, prefix, search=(None, 2, 500, 0, 1.0))
    with pytest.raises(ConfigError, match="--parts 50"):
        await run(progress, prefix, search=(None, 50, 5, 0, 1.0))
    with pytest.raises(ConfigError, match=r"--plot c\.txt: its name must end with"):
        await run(progress, prefix, written=(None, None, None, Path("c.txt")))
    outputs = ("composed", *(None,) * 4)
    with pytest.raises(ConfigError, match="--name composed"):
        await command.compose(progress, (None, prefix, "", ""), NO_BOUNDS, SEARCH, outputs)


def test_who_is_worth_the_memory() -> None:
    def said(low: float, high: float) -> str:
        loss = Paired((low + high) / 2, low, high, 0.5)
        return verdict_on(Drop("one", 5.0, loss, None), 0.01)

    assert said(0.002, 0.03) == "needed"
    assert said(-0.01, 0.009) == "not worth its memory"
    assert said(-0.01, 0.02) == "not sure"
    assert verdict_on(Drop("one", 5.0, None, None), 0.01) == "needed to keep the bounds"
    other = Composition(("two",), Order("means"), Alone())
    assert verdict_on(Drop("one", 5.0, None, other), 0.01) == "never asked"


async def test_finalists_are_named(progress: Progress, prefix: str) -> None:
    said = await run(progress, prefix)
    assert "pool/composed-synthesis and pool/composed-debate: new text is needed" in said
    assert "coterie eval run TASK -c POOL.yaml --models pool/composed,pool/composed-synth" in said
    assert "which `--outcomes FILE` writes" in said


async def test_the_frontier_is_drawn_against_what_is_known(progress: Progress, prefix: str) -> None:
    assert await run(progress, prefix, search=("calls", *SEARCH[1:]))
    assert await run(progress, prefix, search=("memory", *SEARCH[1:]))
    with pytest.raises(ConfigError, match="--against seconds: this is not known"):
        await run(progress, prefix, search=("seconds", *SEARCH[1:]))


async def test_what_cannot_be_composed(progress: Progress, prefix: str) -> None:
    with pytest.raises(ConfigError, match=r"only one expert \(sums\)"):
        await run(progress, prefix, pool="sums")
    for run_, recorded, benchmark in (
        (None, None, ""),
        (Path("x"), prefix, ""),
        (Path("x"), None, "b"),
    ):
        source = (run_, recorded, benchmark, "")
        with pytest.raises(ConfigError):
            await command.compose(progress, source, NO_BOUNDS, SEARCH, ("pool/x", *(None,) * 4))


async def test_two_equal_models_leave_the_cheaper_one(
    progress: Progress, prefix: str, tmp_path: Path
) -> None:
    outcomes = pq.read_table(f"{prefix}_outcomes.parquet").to_pylist()
    same = [
        {**one, "model": model, "cost_usd": price}
        for one in outcomes
        if one["model"] == "sums"
        for model, price in (("dear", 2.0), ("cheap", 1.0))
    ]
    pq.write_table(pa.Table.from_pylist(same), f"{prefix}_outcomes.parquet")
    said = await run(progress, prefix)
    assert "No composition was found to be better than cheap alone." in said
    assert "composed: {type: static, expert: cheap}" in said


async def test_a_run_is_composed_as_its_table_is(
    progress: Progress, pool: Embedded, tmp_path: Path
) -> None:
    matrix = pool.matrix
    subjects = [{"name": name, "kind": "expert"} for name in matrix.experts]
    experts = {
        name: {"version": "v1", "price_usd_per_mtok": rate, "memory_gb": 2.0}
        for name, rate in zip(matrix.experts, matrix.rates.tolist(), strict=True)
    }
    task = {"name": "made", "version": 1, "digest": "d", "questions": 240, "scorer": "exact"}
    head = {"created": "2026-11-27T12:00:00Z", "config": "c", "seed": 0, "subjects": subjects}
    (tmp_path / RUN_FILE).write_text(json.dumps({**head, "experts": experts, "tasks": [task]}))
    rows = [
        {
            "subject": expert,
            "task": "made",
            "sample": query.id,
            "category": query.task,
            "question": query.text,
            "answer": f"said {matrix.labels[row, column]}",
            "score": float(matrix.scores[row, column]),
            "price_usd": float(matrix.rates[column]),
            "seconds": 0.5,
        }
        for row, query in enumerate(matrix.queries)
        for column, expert in enumerate(matrix.experts)
    ]
    (tmp_path / SAMPLES_FILE).write_text("".join(json.dumps(row) + "\n" for row in rows))
    source, outputs = (tmp_path, None, "", ""), ("pool/composed", *(None,) * 4)
    finish = await command.compose(progress, source, NO_BOUNDS, SEARCH, outputs)
    console = Console(width=160, record=True, file=io.StringIO())
    assert finish(console) == 0
    said = console.export_text()
    assert "4 experts, 240 questions; " in said
    assert "coterie eval run made -c POOL.yaml" in said
    assert " 99.9 " in said  # Nobody can doubt that these experts are better together.
