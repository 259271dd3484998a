"""Per-question values of everything that gets an interval. Pure."""

from collections.abc import Sequence

import numpy as np

from evals.report.statistics.intervals import Floats, Interval, mean_interval
from evals.report.statistics.references import BestSingle
from evals.report.statistics.scores import TaskScores


class Columns:
    """The scores of subjects in one or more tasks, and their distances from the references.

    With several tasks, an interval is that of the mean of the tasks.
    """

    def __init__(
        self,
        tasks: Sequence[TaskScores],
        best: BestSingle | None,
        oracles: Sequence[Floats | None],
        subjects: Sequence[str],
    ) -> None:
        self._values: dict[tuple[str, str], list[Floats]] = {}
        for task, top in zip(tasks, oracles, strict=True):
            opponent = None if best is None else task.columns[best.name]
            fair = None if best is None else best.scores[task.task]
            self._add("opponent", "", fair, task)
            self._add("oracle", "", top, task)
            for subject in subjects:
                own = task.columns.get(subject)
                self._add("score", subject, own, task)
                self._add("gain", subject, _less(own, opponent), task)
                self._add("fair gain", subject, _less(own, fair), task)
                self._add("regret", subject, _less(top, own), task)

    def of(self, what: str, subject: str) -> Interval | None:
        """The interval of a subject's `score`, `gain` or `regret`; None where it has none.

        `gain` is over the best expert after the fact, `fair gain` over the cross-fitted one. With
        an empty subject: the `opponent`, who is that cross-fitted one, and the `oracle`.
        """
        signed = what in ("gain", "fair gain", "regret")
        values = self._values.get((what, subject), [])
        return mean_interval(values, signed=signed)

    def _add(self, what: str, subject: str, values: Floats | None, task: TaskScores) -> None:
        own = np.full(len(task.samples), np.nan) if values is None else values
        self._values.setdefault((what, subject), []).append(own)


def _less(one: Floats | None, other: Floats | None) -> Floats | None:
    return None if one is None or other is None else one - other
