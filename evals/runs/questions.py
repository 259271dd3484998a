"""Which questions are asked, and how: the same for the same seed."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Literal

from evals.runs.record import TaskInfo
from evals.tasks.task import Sample, Split, Task
from experts.errors import ConfigError
from experts.types import Request

Splits = Literal["probe", "test", "all"]
DRAWS_APART = 1_000
"""Between the seeds of two draws: an aggregator numbers its own samples from the draw's seed."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the subjects are asked."""

    seed: int = 0
    temperature: float | None = None
    """None: each task's own."""
    samples: int = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, in one draw."""

    task: Task
    sample: Sample
    draw: int
    request: Request

    @property
    def category(self) -> str:
        """The question's own, else the task's name."""
        return category_of(self.task, self.sample)


def category_of(task: Task, sample: Sample) -> str:
    """A question's own category, else its task's name."""
    return sample.category or task.name


def chosen(tasks: Sequence[Task], split: Splits, limit: int | None, seed: int) -> list[Task]:
    """The tasks with the questions to ask, in the order of their files.

    With a limit, each task keeps so many questions, as evenly from its categories as they allow.
    Raises ConfigError for a task without questions, and for two of one name.
    """
    splits: tuple[Split, ...] = ("probe", "test") if split == "all" else (split,)
    found, names = [], set()
    for task in tasks:
        rows = [row for one in splits for row in task.samples(one)]
        if not rows:
            raise ConfigError(
                f"The task {task.name} has no question in the split `{split}`.",
                hint="Choose another one with --split.",
            )
        if task.name in names:
            raise ConfigError(f"Two tasks are called {task.name}: rows could not tell them apart.")
        names.add(task.name)
        kept = rows if limit is None else _some(task, rows, limit, seed)
        found.append(replace(task, rows=tuple(kept)))
    return found


def _some(task: Task, rows: Sequence[Sample], limit: int, seed: int) -> list[Sample]:
    by_category: dict[str, list[Sample]] = defaultdict(list)
    # By a digest and not by a generator's draws: a question more moves none of the others.
    for row in sorted(rows, key=lambda row: hashlib.sha256(f"{seed} {row.id}".encode()).digest()):
        by_category[category_of(task, row)].append(row)
    rounds = zip_longest(*(by_category[name] for name in sorted(by_category)))
    kept = {row.id for row in [row for row in chain(*rounds) if row is not None][:limit]}
    return [row for row in rows if row.id in kept]


def asked(tasks: Sequence[Task], sampling: Sampling) -> list[Asked]:
    """Every question of every task in every draw."""
    return [
        Asked(task, row, draw, _request(task, row, draw, sampling))
        for task in tasks
        for row in task.rows
        for draw in range(sampling.samples)
    ]


def _request(task: Task, row: Sample, draw: int, sampling: Sampling) -> Request:
    body = task.body(row)
    if sampling.temperature is not None:
        body["temperature"] = sampling.temperature
    # Greedy answers are the same for every seed: they are shared by all runs.
    if body["temperature"]:
        body["seed"] = sampling.seed + DRAWS_APART * draw
    return Request(f"{task.name}/{row.id}/{draw}", "chat/completions", body)


def task_info(task: Task) -> TaskInfo:
    """What a run says of a task."""
    asked_as = (task.digest, task.spec.max_tokens, task.spec.temperature, task.spec.stop)
    return TaskInfo(
        name=task.name,
        version=task.spec.version,
        digest=hashlib.sha256(repr(asked_as).encode()).hexdigest()[:16],
        questions=len(task.rows),
        scorer=task.spec.scorer,
        source=task.spec.source,
        licence=task.spec.licence,
    )
