"""The GPU check as a user runs it, rehearsed on the CPU: its first steps."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT

pytestmark = pytest.mark.e2e


def test_a_rehearsal_prints_verdicts_and_writes_a_report_and_logs(tmp_path: Path) -> None:
    steps = ("environment", "kernels", "attention", "slot")
    only = [word for step in steps for word in ("--only", step)]
    done = subprocess.run(
        [sys.executable, "-m", "deploy.gpu_check", "--cpu", "--out", str(tmp_path), *only],
        cwd=ROOT, capture_output=True, text=True, timeout=280,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    opening, *verdicts, closing, written = done.stdout.splitlines()
    assert "a rehearsal on the CPU" in opening
    assert sorted(line.split()[:2] for line in verdicts) == [
        ["ok", "environment"],
        ["ok", "kernels"],
        ["ok", "slot"],
        ["skipped", "attention"],
    ]
    assert closing.startswith("3 ok, 0 failed, 1 skipped in ")
    assert written == f"report: {tmp_path / 'report.json'}"

    tree = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert tree["finished"] is tree["passed"] is True
    figures = {step["step"]: step["figures"] for step in tree["steps"]}
    assert figures["environment"]["missing"] == {}
    assert [entry["what"] for entry in figures["slot"]["log"]] == [
        "start",
        "first load",
        "first unload",
        "second load",
        "second unload",
    ]
    assert set(figures["kernels"]["errors"]) >= {"rms_norm", "silu_and_mul", "rotary"}
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.json",
        "environment.log",
        "kernels.log",
        "slot.log",
    }
