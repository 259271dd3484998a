"""The zoo without geography, in a slot that not all of it fits into, started from a file."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_runs import make_run
from repository import ROOT

from evals.fitting.introduction import introduce
from evals.report.writing import write_report
from experts.files.yaml_text import parse_yaml
from orchestrator.reload.config_file import ConfigFile
from orchestrator.service import Service, start_service
from routers.outcomes import Outcome, OutcomeTable

ZOO = ROOT / "experts/zoo"
NEW = "geography"


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
async def pool(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("console")
    _write_table(folder / "outcomes.parquet")
    _write_report(folder / "runs" / "monday")
    path = folder / "pool.yaml"
    path.write_text(yaml.safe_dump(_tree(folder), sort_keys=False), encoding="utf-8")
    file = ConfigFile(path)
    running = await start_service(
        file.started.config, on_event=print, file=file, introduce=introduce
    )
    yield running
    await running.stop()
