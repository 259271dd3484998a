"""The verdicts on a batch beside the bare engines and beside live requests."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from evals.benchmarks.batches.bare import Bare
from evals.benchmarks.batches.batch_report import (
    BatchBench,
    Live,
    print_batches,
    verdicts,
    write_json,
)
from evals.benchmarks.batches.large import Large
from evals.benchmarks.batches.served import Memory, Served

MEMORY = Memory(idle=500.0, most=560.0, first_third=540.0, last_third=550.0)
TOLD = {
    "predicted": {"loads": 2, "seconds": 9.0, "unknown": []},
    "real": {"loads": 2, "seconds": 10.0},
}
SERVED = Served(100, 0, 10.0, {"a": 1, "b": 1}, MEMORY, TOLD)
LIVE = Live(asked=100, failed=0, bound_s=10.0, waits_s=(0.0,) * 98 + (9.0, 30.0))
BARE = (Bare(120, 8.0), Bare(120, 10.0))
LARGE = Large(100_000, 199.8, 29.9, idle_mb=500.0, most_mb=540.0)
GOOD = BatchBench(3, 1, (SERVED, SERVED), SERVED, BARE, LIVE, LARGE)


def told(seconds: float) -> dict[str, Any]:
    return {**TOLD, "predicted": {**TOLD["predicted"], "seconds": seconds}}


def test_all_targets_are_met(tmp_path: Path) -> None:
    assert all(one.met for one in verdicts(GOOD))
    out = io.StringIO()
    assert print_batches(Console(file=out, width=120), GOOD) == 0
    assert "99 % waited at most 9.0 s" in out.getvalue()
    assert "0.90 of the engines' own throughput" in out.getvalue()
    assert "2 and 2 loads, of which 2 and 2 were predicted" in out.getvalue()
    assert "100000 lines of 200 MB were accepted, checked and listed in 29.9 s" in out.getvalue()
    assert "9.0 s were predicted of 10.0 s (target: within 30%)" in out.getvalue()
    write_json(tmp_path / "all.json", GOOD)
    assert len(json.loads((tmp_path / "all.json").read_text())["verdicts"]) == len(verdicts(GOOD))


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({"alone": (replace(SERVED, memory=replace(MEMORY, most=801.0)), SERVED)}, 0),
        ({"beside": replace(SERVED, memory=replace(MEMORY, last_third=581.0))}, 1),
        ({"bare": (Bare(120, 8.0), Bare(120, 9.9))}, 2),
        ({"alone": (SERVED, replace(SERVED, loads={"a": 2, "b": 0}))}, 3),
        ({"alone": (SERVED, replace(SERVED, loads={"a": 1, "b": 0}))}, 4),
        ({"alone": (SERVED, replace(SERVED, forecast=told(seconds=6.9)))}, 5),
        ({"alone": (SERVED, replace(SERVED, forecast=told(seconds=13.1)))}, 5),
        ({"live": replace(LIVE, waits_s=(0.0,) * 98 + (10.1, 30.0))}, 6),
        ({"beside": replace(SERVED, failed=1)}, 7),
        ({"large": replace(LARGE, seconds=30.1)}, 8),
        ({"large": replace(LARGE, most_mb=541.0)}, 9),
    ],
)
def test_each_target_can_be_missed(changes: dict[str, Any], missed: int) -> None:
    found = verdicts(replace(GOOD, **changes))
    assert [number for number, one in enumerate(found) if not one.met] == [missed]


def test_rounds_are_shown_in_their_order() -> None:
    bare = (*BARE, Bare(120, 7.0), Bare(120, 11.0))
    bench = replace(GOOD, alone=(SERVED, SERVED, replace(SERVED, seconds=9.0)), bare=bare)
    out = io.StringIO()
    print_batches(Console(file=out, width=120), bench)
    lines = out.getvalue().splitlines()
    found = [
        line.split("  ")[0] for line in lines if line.startswith(("the gateway ", "bare", "beside"))
    ]
    again, engines = "the gateway again", "bare engines"
    expected = ["the gateway", engines, engines, again, engines, engines, again]
    assert [name.strip() for name in found][: len(expected)] == expected
    # Of all runs: (8 + 10 + 7 + 11) / 4 of (10 + 10 + 9) / 3.
    assert bench.ratio == pytest.approx(9 / (29 / 3))
    assert "2, 2 and 2 loads, of which 2, 2 and 2 were predicted" in out.getvalue()
