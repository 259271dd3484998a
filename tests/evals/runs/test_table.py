"""The table that ends a run tells the same as its report."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_runs import COMPOSITIONS, EXPERTS, Setting, info, rows

from evals.report.reading import Run
from evals.report.report import make_report
from evals.runs.table import accuracy_of


@pytest.mark.parametrize(
    "setting",
    [
        Setting(questions=30),
        Setting(questions=7, samples=4),
        Setting(questions=12, tasks=("x", "y", "z")),
        Setting(questions=9, known=1.0, unknown=1.0),
    ],
)
def test_means_and_intervals_are_those_of_the_report(setting: Setting) -> None:
    made = rows(setting)
    report = make_report(Run(Path("run"), info(setting), tuple(made)))
    assert [line.subject for line in report.overall.lines] == [*COMPOSITIONS, *EXPERTS]
    for line in report.overall.lines:
        found = accuracy_of([row for row in made if row.subject == line.subject])
        expected = line.accuracy
        assert (found.mean, found.low, found.high) == pytest.approx(
            (expected.mean, expected.low, expected.high)
        )
        assert found.count == expected.questions
        assert found.low < found.high


def test_a_small_task_counts_as_much_as_a_large_one() -> None:
    made = rows(Setting(questions=10, tasks=("x", "y")))
    kept = [
        row.model_copy(update={"score": float(row.task == "x")})
        for row in made
        if row.subject == "alpha" and (row.task == "x" or row.sample == "y-0")
    ]
    assert accuracy_of(kept).mean == 0.5
