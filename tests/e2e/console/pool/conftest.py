"""The zoo without geography, in a slot that not all of it fits into, started from a file."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_runs import make_run
from repository import ROOT
from service_process import started

from evals.report.writing import write_report
from experts.files.yaml_text import parse_yaml
from routers.outcomes import Outcome, OutcomeTable

ZOO = ROOT / "experts/zoo"
NEW = "geography"
COTERIE = ("-c", "from evals.cli.main import main; main()")
"""As users start it: with probes for experts that are added."""


def _tree(folder: Path) -> dict[str, Any]:
    path = ROOT / "examples/zoo.yaml"
    zoo = parse_yaml(path.read_text(encoding="utf-8"), path)
    experts = {
        name: {**keys, "model": str(ZOO / "weights" / name)}
        for name, keys in zoo["experts"].items()
        if name != NEW
    }
    return {
        "experts": experts,
        "routers": {
            "knn": {"type": "knn", "outcomes": "outcomes.parquet"},
            "random": {"type": "random"},
        },
        "compositions": {
            "pool/auto": {"router": "knn", "about": "the nearest questions decide"},
            "pool/vote": {"router": "knn", "aggregator": "vote", "about": "three of them vote"},
        },
        "slots": {**zoo["slots"], "memory_gb": 1.2},
        "server": {"port": 0, "reports": {"folder": "runs"}, "probes": {"count": 24}},
        "store": "memory",
    }


def _write_table(path: Path) -> None:
    whole = OutcomeTable.read(ZOO / "outcomes.parquet")
    rows = [Outcome(**row) for row in whole.rows.to_pylist() if row["expert"] != NEW]
    made = replace(OutcomeTable.from_rows(rows), vectors=whole.vectors, encoder=whole.encoder)
    made.write(path)


def _write_report(folder: Path) -> None:
    make_run(folder)
    write_report(folder)
    shutil.copy(ROOT / "docs/composition.png", folder / "frontier.png")


@pytest.fixture(scope="session")
async def pool(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """In a process of its own: other tests have a service in this one."""
    folder = tmp_path_factory.mktemp("console")
    _write_table(folder / "outcomes.parquet")
    _write_report(folder / "runs" / "monday")
    async with started(folder, _tree(folder), program=COTERIE) as served:
        yield SimpleNamespace(base_url=await served.url())
