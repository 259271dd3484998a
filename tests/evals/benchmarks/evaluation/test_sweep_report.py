"""The verdicts on an evaluation beside its bare engines."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from evals.benchmarks.evaluation.sweep_report import SweepBench, print_sweep, verdicts

GOOD = SweepBench(
    questions=10,
    subjects=2,
    subject_calls=20,
    sent=21,
    distinct=20,
    loads={"alpha": 1, "beta": 2},
    stages=2,
    whole_s=13.0,
    sweep_s=6.0,
    bare_whole_s=10.0,
    bare_calls_s=5.0,
)


def test_all_targets_are_met() -> None:
    assert [one.met for one in verdicts(GOOD)] == [True, True, True]
    out = io.StringIO()
    assert print_sweep(Console(file=out, width=120), GOOD) == 0
    assert "1.30 times as long" in out.getvalue()
    assert "3 loads of 2 engines" in out.getvalue()


@pytest.mark.parametrize(
    ("changes", "missed"),
    [({"stages": 1}, 0), ({"sent": 22}, 1), ({"whole_s": 13.1}, 2)],
)
def test_each_target_can_be_missed(changes: dict[str, float], missed: int) -> None:
    bench = replace(GOOD, **changes)  # type: ignore[arg-type]
    assert [n for n, one in enumerate(verdicts(bench)) if not one.met] == [missed]
    assert print_sweep(Console(file=io.StringIO()), bench) == 1
