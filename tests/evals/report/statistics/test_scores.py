"""Rows become arrays of scores by question."""

import numpy as np
from made_runs import Setting, rows

from evals.report.statistics.scores import by_task
from evals.runs.record import Row


def _row(subject: str, sample: str, score: float, draw: int = 0, **more: object) -> Row:
    return Row.model_validate(
        {"subject": subject, "task": "t", "sample": sample, "draw": draw, "category": "c",
         "question": "q", "score": score, **more}
    )  # fmt: skip


def test_draws_of_a_question_are_one_value() -> None:
    found = by_task([_row("a", "1", 1.0), _row("a", "1", 0.5, 1), _row("a", "2", 0.0)])["t"]
    assert found.samples == ("1", "2")
    assert found.columns["a"].tolist() == [0.75, 0.0]


def test_what_was_not_asked_is_missing_and_what_failed_is_known() -> None:
    found = by_task([_row("a", "1", 1.0), _row("b", "2", 0.0, error="it broke")])["t"]
    assert np.isnan(found.columns["a"]).tolist() == [False, True]
    assert np.isnan(found.columns["b"]).tolist() == [True, False]
    assert found.failed["b"].tolist() == [0.0, 1.0]
    assert found.failed["a"].tolist() == [0.0, 0.0]


def test_every_task_and_category_is_there() -> None:
    found = by_task(rows(Setting(questions=6, tasks=("x", "y"))))
    assert list(found) == ["x", "y"]
    assert found["x"].categories == ("algebra", "history", "law") * 2
