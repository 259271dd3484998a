"""The GPU check as a user runs it, rehearsed on the CPU: its first two steps."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT

pytestmark = pytest.mark.e2e


def test_a_rehearsal_prints_verdicts_and_writes_a_report_and_logs(tmp_path: Path) -> None:
    steps = ("environment", "kernels", "attention")
    only = [word for step in steps for word in ("--only", step)]
    done = subprocess.run(
        [sys.executable, "-m", "deploy.gpu_check", "--cpu", "--out", str(tmp_path), *only],
        cwd=ROOT, capture_output=True, text=True, timeout=280,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    opening, *verdicts, closing, _ = done.stdout.splitlines()
    assert "a rehearsal on the CPU" in opening
    assert [line.split()[:2] for line in verdicts] == [
        ["ok", "environment"],
        ["ok", "kernels"],
        ["skipped", "attention"],
    ]
    assert closing.startswith("2 ok, 0 failed, 1 skipped in ")

    tree = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert tree["finished"] is tree["passed"] is True
    environment, kernels, _ = tree["steps"]
    assert environment["figures"]["missing"] == {}
    assert set(kernels["figures"]["errors"]) >= {"rms_norm", "silu_and_mul", "rotary"}
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.json",
        "environment.log",
        "kernels.log",
    }
