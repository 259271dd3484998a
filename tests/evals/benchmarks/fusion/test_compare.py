"""FusionRoute beside its controls: what is asked, what is printed, what counts as a miss."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from evals.benchmarks.fusion.compare import Comparison
from evals.benchmarks.fusion.compare_report import (
    ROUTE_TARGETS,
    Targets,
    print_comparison,
    verdicts,
    write_json,
)
from evals.tasks.task import load_tasks

FUSED = "FusionRoute"
LOADED = load_tasks(["arithmetic", "two_skill", "foreign"])
TASKS = tuple(
    replace(LOADED[name], rows=LOADED[name].samples("test")[:10])
    for name in ("arithmetic", "two_skill", "foreign")
)


def scores(arithmetic: int, two_skill: int, foreign: int = 0) -> dict[str, tuple[float, ...]]:
    """So many of ten right, in each task."""
    counts = zip(TASKS, (arithmetic, two_skill, foreign), strict=True)
    return {task.name: (1.0,) * n + (0.0,) * (10 - n) for task, n in counts}


def comparison(fused: dict[str, tuple[float, ...]], vote: int = 2) -> Comparison:
    return Comparison(
        name=FUSED,
        tasks=TASKS,
        fused=fused,
        members={"arithmetic": scores(10, 0), "units": scores(1, 0)},
        whole_answers={"random": scores(5, 0), "plurality vote": scores(9, vote)},
        variants={"router's logits alone": scores(3, 5)},
    )


@pytest.mark.parametrize(
    ("fused", "vote", "met"),
    [
        (scores(10, 9), 2, [True, True, True]),
        (scores(9, 9), 2, [False, True, True]),
        (scores(10, 8), 2, [True, False, True]),
        (scores(10, 9), 7, [True, True, False]),
        (scores(10, 10, 0), 6, [True, True, True]),
    ],
)
def test_targets(fused: dict[str, tuple[float, ...]], vote: int, met: list[bool]) -> None:
    found = verdicts(comparison(fused, vote), ROUTE_TARGETS)
    # Nobody can do the foreign task, so nothing is asked of it.
    assert [verdict.met for verdict in found] == met
    assert ["arithmetic" in found[0].text, "two_skill" in found[1].text] == [True, True]


def test_what_is_printed_and_written(tmp_path: Path) -> None:
    out = io.StringIO()
    console = Console(file=out, width=120)
    assert print_comparison(console, comparison(scores(9, 9)), ROUTE_TARGETS) == 1
    lines = out.getvalue().splitlines()
    table = [line for line in lines if line.startswith((FUSED, "plurality vote", "questions"))]
    assert [line.split()[-3:] for line in table[:3]] == [
        ["90.0", "90.0", "0.0"],
        ["90.0", "20.0", "0.0"],
        ["10", "10", "10"],
    ]
    assert (
        "MISS  arithmetic: 90.0 %, its specialist (arithmetic) 100.0 %: -10.0 points"
        " (target: at most 2 below)"
    ) in lines
    assert print_comparison(console, comparison(scores(10, 9)), ROUTE_TARGETS) == 0
    write_json(tmp_path / "found.json", comparison(scores(9, 9)), ROUTE_TARGETS)
    tree = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert tree["accuracy"][FUSED]["two_skill"]["mean"] == 0.9
    assert [verdict["met"] for verdict in tree["verdicts"]] == [False, True, True]


def test_variants_have_to_be_beaten_with_an_interval_above_zero() -> None:
    targets = Targets(0.02, 0.0, 0.0, above_variants=("router's logits alone",))

    def met(two_skill: int) -> list[bool]:
        return [verdict.met for verdict in verdicts(comparison(scores(10, two_skill)), targets)]

    # The variant has five of ten: one more may be chance.
    assert met(10) == [True, True, True, True]
    assert met(6) == [True, True, True, False]
    # A task for several skills is judged, however badly it goes.
    assert met(0) == [True, True, False, False]
