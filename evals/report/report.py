"""All numbers of a report, from the rows of a run. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evals.report.reading import Run
from evals.report.statistics.calibration import Reliability, confidences
from evals.report.statistics.columns import Columns
from evals.report.statistics.costs import Costs, Point, costs, frontier
from evals.report.statistics.draws import DrawScores, draw_scores
from evals.report.statistics.intervals import Interval
from evals.report.statistics.references import best_single, oracle
from evals.report.statistics.routing import Audit, audit
from evals.report.statistics.scores import TaskScores, by_task
from evals.reporting.numbers import counted
from evals.runs.record import Row, RunInfo
from evals.runs.scoring import UNSCORED
from evals.scoring.registry import JUDGE

Corrected = Mapping[tuple[str, str], Interval]
"""(Subject, task) -> an accuracy that somebody has corrected, as for the bias of a judge."""


@dataclass(frozen=True, slots=True)
class Line:
    """One subject in one task, or in all.

    `gain` is over the expert that is best on these very questions, by luck in part: too small
    rather than too large. `unbiased_gain` is over the cross-fitted best expert. `regret` is how
    much the per-query oracle is better, on questions that every expert has answered.
    """

    subject: str
    kind: str
    accuracy: Interval
    gain: Interval | None
    unbiased_gain: float | None
    regret: Interval | None
    costs: Costs
    corrected: Interval | None = None
    draws: DrawScores | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """Who the best single expert is, and how good it and the oracle are.

    `name` is the best on all questions and `in_sample` its accuracy there, which is optimistic;
    `cross_fitted` is what choosing an expert on other questions gives.
    """

    name: str
    in_sample: float
    cross_fitted: float | None
    chosen: Mapping[str, float]
    oracle: Interval | None


@dataclass(frozen=True, slots=True)
class Block:
    """Every subject in one task, or in all tasks (`task` is empty), each task counting the same."""

    task: str
    questions: int
    reference: Reference | None
    lines: tuple[Line, ...]
    categories: Mapping[str, Mapping[str, float]]
    """Category -> subject -> accuracy."""
    sizes: Mapping[str, int]
    """Category -> questions."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `report.json` holds."""

    run: RunInfo
    notices: tuple[str, ...]
    overall: Block
    tasks: tuple[Block, ...]
    price_unit: str
    frontier: tuple[Point, ...]
    audits: tuple[Audit, ...]
    reliability: tuple[Reliability, ...]


def make_report(run: Run, corrected: Corrected | None = None) -> Report:
    """Count everything. `corrected` accuracies are shown beside those of the scores."""
    maker = _Maker(run, corrected or {})
    tasks = tuple(maker.block([scores]) for scores in maker.scores.values())
    overall = tasks[0] if len(tasks) == 1 else maker.block(list(maker.scores.values()))
    unit, points = _prices(overall)
    audits = (
        audit(one.name, maker.rows_of(one.name), maker.pool, list(maker.scores.values()))
        for one in run.info.subjects
        if one.kind == "composition"
    )
    return Report(
        run=run.info,
        notices=(*run.notices, *maker.notices()),
        overall=overall,
        tasks=tasks,
        price_unit=unit,
        frontier=tuple(points),
        audits=tuple(found for found in audits if found is not None),
        reliability=tuple(confidences(run.rows)),
    )


class _Maker:
    """The rows of a run, gathered once."""

    def __init__(self, run: Run, corrected: Corrected) -> None:
        self.info = run.info
        self.corrected = corrected
        self.scores = by_task(run.rows)
        self.kinds = {one.name: one.kind for one in run.info.subjects}
        self.experts = [one.name for one in run.info.subjects if one.kind == "expert"]
        self.pool = list(run.info.experts)
        self.loads = run.info.totals.loads if run.info.totals is not None else ()
        self.scorers = {task.name: task.scorer for task in run.info.tasks}
        self._rows: dict[tuple[str, str], list[Row]] = {}
        for row in run.rows:
            self._rows.setdefault((row.subject, row.task), []).append(row)

    def rows_of(self, subject: str, tasks: Sequence[str] | None = None) -> list[Row]:
        names = list(self.scores) if tasks is None else tasks
        return [row for task in names for row in self._rows.get((subject, task), ())]

    def notices(self) -> list[str]:
        unasked = [expert for expert in self.pool if expert not in self.experts]
        found = []
        if self.experts and unasked:
            few = len(self.experts)
            alone = "the only expert that was" if few == 1 else f"the {few} experts that were"
            found.append(
                f"The best single expert and the oracle are of {alone} asked alone, among"
                f" {len(self.pool)} of the pool."
            )
        errors = [
            row.error for rows in self._rows.values() for row in rows if row.error is not None
        ]
        unscored = sum(error.startswith(UNSCORED) for error in errors)
        if lost := len(errors) - unscored:
            found.append(f"{counted(lost, 'failed call')}, counted as wrong.")
        if unscored:
            found.append(f"{counted(unscored, 'answer')} could not be scored: counted as wrong.")
        uncorrected = [
            task
            for task, scorer in self.scorers.items()
            if scorer == JUDGE and not any(name == task for _, name in self.corrected)
        ]
        if uncorrected:
            found.append(
                f"An expert has graded the answers to {', '.join(uncorrected)}: only people's"
                " labels (--labels) tell its bias."
            )
        return found

    def block(self, tasks: Sequence[TaskScores]) -> Block:
        best = best_single(tasks, self.experts, self.info.seed)
        oracles = [oracle(task, self.experts) for task in tasks]
        subjects = [s for s in self.kinds if tasks and all(s in task.columns for task in tasks)]
        lines, reference = [], None
        columns = Columns(tasks, best, oracles, subjects)
        if best is not None:
            reference = Reference(
                best.name, best.in_sample, _mean(columns.of("opponent", "")), best.chosen,
                columns.of("oracle", ""),
            )  # fmt: skip
        for subject in subjects:
            accuracy = columns.of("score", subject)
            if accuracy is not None:
                lines.append(self._line(tasks, subject, accuracy, columns))
        categories, sizes = _categories(tasks)
        return Block(
            task=tasks[0].task if len(tasks) == 1 else "",
            questions=sum(len(task.samples) for task in tasks),
            reference=reference,
            lines=tuple(lines),
            categories=categories,
            sizes=sizes,
        )

    def _line(
        self, tasks: Sequence[TaskScores], subject: str, accuracy: Interval, columns: Columns
    ) -> Line:
        rows = self.rows_of(subject, [task.task for task in tasks])
        name = tasks[0].task if len(tasks) == 1 else ""
        return Line(
            subject=subject,
            kind=self.kinds[subject],
            accuracy=accuracy,
            gain=columns.of("gain", subject),
            unbiased_gain=_mean(columns.of("fair gain", subject)),
            regret=columns.of("regret", subject),
            costs=costs(rows, self.loads),
            corrected=self.corrected.get((subject, name)),
            draws=draw_scores(rows, self.scorers[name]) if name else None,
        )


def _mean(found: Interval | None) -> float | None:
    return None if found is None else found.mean


def _categories(
    tasks: Sequence[TaskScores],
) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    sums: dict[str, dict[str, list[float]]] = {}
    sizes: dict[str, int] = {}
    for task in tasks:
        for place, category in enumerate(task.categories):
            sizes[category] = sizes.get(category, 0) + 1
            own = sums.setdefault(category, {})
            for subject, column in task.columns.items():
                if not np.isnan(column[place]):
                    own.setdefault(subject, []).append(float(column[place]))
    means = {c: {s: sum(v) / len(v) for s, v in own.items()} for c, own in sums.items()}
    return means, sizes


def _prices(block: Block) -> tuple[str, list[Point]]:
    """Quality against USD; where everything is free, against tokens."""
    paid = any(line.costs.price_usd for line in block.lines)
    unit = "USD per 1,000 answers" if paid else "tokens per answer"
    points = []
    for line in block.lines:
        total = 1000 * line.costs.price_usd if paid else float(line.costs.tokens)
        points.append((line.subject, line.costs.per_answer(total), line.accuracy.mean))
    return unit, frontier(points)
