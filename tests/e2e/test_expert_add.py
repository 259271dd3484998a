"""A new expert of the zoo answers a few questions, and the routers ask it from then on."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from repository import ROOT

from experts.types import Request
from orchestrator.config.model import load_config
from routers.outcomes import Outcome, OutcomeTable
from routers.registry import build, shared_encoder

pytestmark = pytest.mark.e2e
ZOO = ROOT / "experts/zoo"
KNOWN = ("arithmetic", "logic", "generalist")
QUESTION = "What is the capital of Norway?"


def expert(name: str) -> dict[str, str]:
    return {"type": "vllm", "model": str(ZOO / "weights" / name)}


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Three experts, and what the zoo's own table says of them."""
    table = OutcomeTable.read(ZOO / "outcomes.parquet")
    rows = [Outcome(**row) for row in table.rows.to_pylist() if row["expert"] in KNOWN]
    made = replace(OutcomeTable.from_rows(rows), vectors=table.vectors, encoder=table.encoder)
    made.write(tmp_path / "outcomes.parquet")
    tree = {
        "experts": {name: expert(name) for name in KNOWN},
        "routers": {
            "near": {
                "type": "knn",
                "outcomes": "outcomes.parquet",
                "artifact": "near.safetensors",
            }
        },
        "compositions": {"pool/auto": {"router": "near"}},
        "slots": load_config(ROOT / "examples/zoo.yaml").slots.model_dump(exclude_unset=True),
    }
    path = tmp_path / "pool.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return path


def test_sixty_four_questions_are_enough(pool: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(yaml.safe_dump({"experts": {"geography": expert("geography")}}))
    program = [sys.executable, "-c", "from evals.cli.main import main; main()"]
    command = [*program, "expert", "add", str(new), "--config", str(pool)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "64 questions asked, 0 failed" in done.stdout
    assert "near: predicted accuracy" in done.stdout
    table = OutcomeTable.read(tmp_path / "outcomes.parquet")
    assert table.rows["expert"].to_pylist().count("geography") == 64
    keys = {"type": "knn", "artifact": str(tmp_path / "near.safetensors")}
    router = build("near", keys, (*KNOWN, "geography"), shared_encoder())
    body = {"messages": [{"role": "user", "content": QUESTION}]}
    decision = router.route([Request("one", "chat/completions", body)])[0]
    assert decision.scores[0][0] == "geography"
