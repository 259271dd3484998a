"""Scores by question: one array for each task and subject, the draws of a question averaged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evals.report.statistics.intervals import Floats
from evals.runs.record import Row

RIGHT = 0.5
"""The score from which an answer, or the mean of a question's draws, counts as right."""


@dataclass(frozen=True, slots=True)
class TaskScores:
    """The scores of one task; NaN where a subject has no answer to a question.

    `columns` maps a subject to its scores, `failed` to the questions with a failed call; both in
    the order of `samples`.
    """

    task: str
    samples: tuple[str, ...]
    categories: tuple[str, ...]
    columns: Mapping[str, Floats]
    failed: Mapping[str, Floats]

    def only(self, keep: Sequence[bool]) -> "TaskScores":
        """The same for some of the questions."""
        mask = np.asarray(keep, dtype=bool)
        return TaskScores(
            self.task,
            tuple(s for s, kept in zip(self.samples, mask, strict=True) if kept),
            tuple(c for c, kept in zip(self.categories, mask, strict=True) if kept),
            {name: column[mask] for name, column in self.columns.items()},
            {name: column[mask] for name, column in self.failed.items()},
        )


def by_task(rows: Iterable[Row]) -> dict[str, TaskScores]:
    """Gather the rows of a run, tasks and questions in the order of their first row."""
    gathered: dict[str, _Gathering] = {}
    for row in rows:
        gathered.setdefault(row.task, _Gathering()).add(row)
    return {task: one.done(task) for task, one in gathered.items()}


class _Gathering:
    """The rows of one task, as they come."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._categories: list[str] = []
        self._found: dict[str, dict[int, list[float]]] = {}
        self._failed: dict[str, set[int]] = {}

    def add(self, row: Row) -> None:
        place = self._places.setdefault(row.sample, len(self._places))
        if place == len(self._categories):
            self._categories.append(row.category)
        self._found.setdefault(row.subject, {}).setdefault(place, []).append(row.score)
        if row.error is not None:
            self._failed.setdefault(row.subject, set()).add(place)

    def done(self, task: str) -> TaskScores:
        columns, failed = {}, {}
        for subject, scores in self._found.items():
            column = np.full(len(self._places), np.nan)
            for place, draws in scores.items():
                column[place] = sum(draws) / len(draws)
            columns[subject] = column
            lost = np.zeros(len(self._places))
            lost[list(self._failed.get(subject, ()))] = 1.0
            failed[subject] = lost
        return TaskScores(task, tuple(self._places), tuple(self._categories), columns, failed)
