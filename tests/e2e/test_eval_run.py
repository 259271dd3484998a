"""The real zoo in one sweep: each expert loaded once, each call made once, and the loads told."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from repository import ROOT

from evals.runs.folder import RunFolder
from orchestrator.config.model import load_config

pytestmark = pytest.mark.e2e
ZOO = ROOT / "examples" / "zoo.yaml"
SUBJECTS = "pool/auto,pool/cascade,arithmetic,geography"


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """The zoo with a cascade over the first router, which needs no tagger."""
    tree = load_config(ZOO).model_dump(mode="json", by_alias=True, exclude_unset=True)
    cascade = {"router": "knn", "aggregator": {"type": "cascade", "accept": 0.5}, "experts": 2}
    tree["compositions"] = {"pool/auto": {"router": "knn"}, "pool/cascade": cascade}
    path = tmp_path / "pool.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def command(pool: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from evals.cli.main import main; main()"]
    options = ["-c", str(pool), "--models", SUBJECTS, "--limit", "6", "-o", str(out)]
    cache = ["--cache", str(out.parent / "answers.sqlite")]
    tasks = ["arithmetic", "geography", "units"]
    return subprocess.run(
        [*program, "eval", "run", *tasks, *options, *cache, *more],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        check=False,
    )


def test_one_sweep(pool: Path, tmp_path: Path) -> None:
    done = command(pool, tmp_path / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = RunFolder(tmp_path / "run")
    info, rows = folder.info(), folder.rows()
    assert info is not None
    assert info.totals is not None
    assert len(rows) == 4 * 18
    score = {
        (name, task): sum(r.score for r in rows if (r.subject, r.task) == (name, task))
        for name in SUBJECTS.split(",")
        for task in ("arithmetic", "geography", "units")
    }
    assert score["arithmetic", "arithmetic"] == 6
    assert score["arithmetic", "geography"] == 0
    assert score["pool/auto", "geography"] >= 5
    assert score["pool/auto", "units"] >= 5
    sure = [row for row in rows if row.subject == "pool/cascade" and row.confidence is not None]
    assert len(sure) >= 9, "log-probabilities must have come through"
    # Every engine that was asked was loaded, once, while the run was under way.
    loads = Counter(load.expert for load in info.totals.loads)
    assert set(loads) <= {name for row in rows for name in row.calls}
    assert set(loads) >= {"arithmetic", "geography", "units"}
    assert set(loads.values()) == {1}
    assert all(0 <= load.at_s <= info.totals.seconds + 1 for load in info.totals.loads)
    assert {load.slot for load in info.totals.loads} == {"slot-0"}
    assert all(info.experts[name].memory_gb for name in loads)
    # Once more, with everything in the cache: nothing is started.
    again = command(pool, tmp_path / "again")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "starting the service" not in again.stdout
    assert "Ray is up" not in again.stdout
    totals = RunFolder(tmp_path / "again").info()
    assert totals is not None
    assert totals.totals is not None
    assert (totals.totals.asked, totals.totals.cached) == (0, info.totals.asked)
    dry = command(pool, tmp_path / "dry", "--dry-run")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    # What a cascade did not need to ask may still be asked, as far as a dry run knows.
    assert f" to ask, {info.totals.asked} in the cache" in dry.stdout
    assert not (tmp_path / "dry").exists()
