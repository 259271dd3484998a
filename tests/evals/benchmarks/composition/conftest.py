"""Made-up recordings: two small models that know one kind of question each, and a large one."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evals.benchmarks.composition.evidence import (
    Evidence,
    of_recorded,
    recorded_settings,
    sized,
)
from evals.runs.recorded import Recorded, read_recorded

COUNT = 240
RIGHT = {"sums": (0.9, 0.1), "cities": (0.1, 0.9), "large": (0.7, 0.7), "odd": (0.5, 0.5)}
SIZES = {"sums": (4, 4), "cities": (6, 3), "large": (70, 70)}
"""In all, and active; `odd` has none."""


def tables(folder: Path) -> str:
    """Recorded tables with models.csv beside them."""
    rng = np.random.default_rng(1)
    queries, outcomes = [], []
    for number in range(COUNT):
        kind = number % 2
        name = {"category": ("sums", "cities")[kind], "query": f"question {number}"}
        rest = {"query_id": f"q{number}", "options": None, "group": f"g{number // 2}"}
        queries.append({**name, **rest})
        for model, shares in RIGHT.items():
            score = float(rng.random() < shares[kind])
            outcomes.append({"query_id": f"q{number}", "model": model, "score": score, "pred": "A"})
    prefix = str(folder / "made")
    pq.write_table(pa.Table.from_pylist(queries), f"{prefix}_queries.parquet")
    pq.write_table(pa.Table.from_pylist(outcomes), f"{prefix}_outcomes.parquet")
    lines = [f"{model},{total},{active}" for model, (total, active) in SIZES.items()]
    (folder / "models.csv").write_text(
        "\n".join(["model,params_b,active_b", *lines]) + "\n", encoding="utf-8"
    )
    return prefix


def vectors(recorded: Recorded) -> Any:
    """Two clouds, one for each kind of question."""
    rng = np.random.default_rng(2)
    kinds = np.array([query.task == "cities" for query in recorded.queries], dtype=float)
    raw = np.stack([kinds, 1 - kinds, *rng.normal(scale=0.2, size=(4, len(kinds)))], axis=1)
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="session")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tables(tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="session")
def evidence(prefix: str) -> Evidence:
    recorded, left_out = sized(read_recorded(prefix, ()), ())
    return of_recorded(recorded, vectors(recorded), "made", recorded_settings("knn"), left_out)
