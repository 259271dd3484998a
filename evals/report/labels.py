"""People's gold labels for a few answers of a run, and accuracies that these correct."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evals.report import words
from evals.report.reading import Key, Run
from evals.report.report import Corrected
from evals.report.statistics.intervals import Interval
from evals.reporting.numbers import counted
from evals.runs.record import Row
from evals.scoring.corrected import LEAST_GOLD, corrected
from experts.errors import ConfigError
from experts.files.jsonl import LineProblem, read_jsonl, wrong_lines
from experts.mistakes import explain

Labels = Mapping[Key, float]


class Label(BaseModel):
    """A line of the file: what a person thinks of one answer."""

    model_config = ConfigDict(extra="forbid")

    subject: str
    task: str
    sample: str
    draw: int = Field(0, ge=0, strict=True)
    score: float = Field(ge=0, le=1, strict=True)

    @property
    def key(self) -> Key:
        """The row that it is about."""
        return (self.subject, self.task, self.sample, self.draw)


def read_labels(path: Path, run: Run) -> Labels:
    """The labels of a file, JSON lines. Raises ConfigError with every line that is wrong."""
    known = {_key(row) for row in run.rows}
    found: dict[Key, float] = {}
    lines: dict[Key, int] = {}
    problems: list[str] = []
    for number, label in read_jsonl(path, _parse).items():
        if label.key not in known:
            problems.append(f"line {number}: {_stranger(label, known)}")
        elif label.key in found:
            problems.append(f"line {number}: the answer has a label in line {lines[label.key]}")
        found[label.key], lines[label.key] = label.score, number
    if problems:
        raise wrong_lines(path, problems)
    if not found:
        raise ConfigError(f"{path} holds no labels.")
    return found


def corrections(run: Run, labels: Labels) -> tuple[Corrected, list[str]]:
    """Corrected accuracies of every subject and task that has enough labels, and what to say.

    The intervals hold where the labelled questions were drawn at random.
    """
    found: dict[tuple[str, str], Interval] = {}
    notices = []
    for (subject, task), one in _gathered(run, labels).items():
        where = f"{words.name(subject)}, {words.name(task)}"
        if len(one.gold) < LEAST_GOLD:
            notices.append(
                f"{where}: {counted(len(one.gold), 'labelled question')}; fewer than"
                f" {LEAST_GOLD} correct nothing."
            )
            continue
        result = corrected(one.gold, one.judged, one.rest)
        mean = result.corrected
        questions = len(one.gold) + len(one.rest)
        found[subject, task] = Interval(mean.mean, mean.low, mean.high, questions)
        notices.append(
            f"{where}: corrected by {result.labels} labelled questions, on which the scores are"
            f" {words.points(result.bias)} points from people's."
        )
    return found, notices


@dataclass(frozen=True, slots=True)
class _Scores:
    """Of one subject in one task, by question."""

    gold: list[float] = field(default_factory=list)
    judged: list[float] = field(default_factory=list)
    """The run's scores of the questions that have labels."""
    rest: list[float] = field(default_factory=list)


def _gathered(run: Run, labels: Labels) -> Mapping[tuple[str, str], _Scores]:
    """The questions of every subject and task that has labels.

    Draws of one question are no evidence by themselves: their mean counts.
    """
    drawn: dict[tuple[str, str], dict[str, list[Row]]] = {key[:2]: {} for key in labels}
    for row in run.rows:
        if (own := drawn.get((row.subject, row.task))) is not None:
            own.setdefault(row.sample, []).append(row)
    found = {where: _Scores() for where in drawn}
    for where, questions in drawn.items():
        for rows in questions.values():
            known = [row for row in rows if _key(row) in labels]
            if known:
                found[where].gold.append(fmean(labels[_key(row)] for row in known))
                found[where].judged.append(fmean(row.score for row in known))
            else:
                found[where].rest.append(fmean(row.score for row in rows))
    return found


def _key(row: Row) -> Key:
    return (row.subject, row.task, row.sample, row.draw)


def _parse(value: Any) -> Label:
    try:
        return Label.model_validate(value)
    except ValidationError as error:
        told = explain(Label, error)
        raise LineProblem(*(one.removeprefix(": ") for one in told)) from error


def _stranger(label: Label, known: set[Key]) -> str:
    """Which part of a label is not of the run."""
    own = [key for key in known if key[0] == label.subject]
    if not own:
        return f"subject: the run has no answers of {label.subject!r:.80}"
    if label.task not in {key[1] for key in own}:
        return f"task: {label.subject!r:.80} has no answers in {label.task!r:.80}"
    if label.sample not in {key[2] for key in own if key[1] == label.task}:
        return f"sample: {label.task!r:.80} has no question {label.sample!r:.80}"
    return f"draw: the question has no draw {label.draw}"
