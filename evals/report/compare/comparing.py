"""Two runs, subject by subject, on the questions that both have. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evals.report.compare.pairs import Answers, Flip, Pair, flips, pairs
from evals.report.reading import Run
from evals.report.statistics.costs import Costs, costs
from evals.report.statistics.intervals import Interval, interval, mean_of
from evals.reporting.numbers import counted
from evals.runs.record import RunInfo, TaskInfo
from experts.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Change:
    """One subject in one task, or in all (`task` is empty): `difference` is after minus before."""

    subject: str
    task: str
    questions: int
    before: float
    after: float
    difference: Interval
    """From 0 to 0 where all answers are the same: then nothing is left to chance."""
    same: int
    """Questions with the very same answers in both runs."""
    lost: int
    """Questions that were right before and are wrong after."""
    won: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What the answers to the common questions cost one subject."""

    subject: str
    before: Costs
    after: Costs
    comparable_loads: bool
    """Whether loads can be compared: not where a run has taken answers from the cache."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `--json` writes."""

    before: RunInfo
    after: RunInfo
    notices: tuple[str, ...]
    overall: tuple[Change, ...]
    tasks: Mapping[str, tuple[Change, ...]]
    spent: tuple[Spent, ...]
    flips: tuple[Flip, ...]


def compare(before: Run, after: Run) -> Comparison:
    """Pair the runs' answers.

    Common are questions with the same task, id, text and right answer. Several draws of one
    question are averaged. Raises ConfigError where no subject has a question in common.
    """
    subjects = [
        one.name
        for one in before.info.subjects
        if one.name in {other.name for other in after.info.subjects}
    ]
    one, other = Answers(before.rows), Answers(after.rows)
    found = {subject: pairs(one, other, subject) for subject in subjects}
    found = {subject: own for subject, own in found.items() if own}
    if not found:
        raise ConfigError(
            f"{before.folder} and {after.folder} have no answers to compare.",
            hint="They need a subject of the same name, and a question of the same text.",
        )
    tasks = _by_task(found)
    return Comparison(
        before=before.info,
        after=after.info,
        notices=tuple(_notices(before, after, subjects, one, other)),
        overall=_overall(found, tasks),
        tasks=tasks,
        spent=tuple(_spent(subject, own, before, after) for subject, own in found.items()),
        flips=tuple(flip for subject, own in found.items() for flip in flips(subject, own)),
    )


def _by_task(found: Mapping[str, Sequence[Pair]]) -> dict[str, tuple[Change, ...]]:
    names = dict.fromkeys(pair.task for own in found.values() for pair in own)
    return {task: _of_task(task, found) for task in names}


def _of_task(task: str, found: Mapping[str, Sequence[Pair]]) -> tuple[Change, ...]:
    own = {s: [pair for pair in every if pair.task == task] for s, every in found.items()}
    return tuple(_change(subject, task, [kept]) for subject, kept in own.items() if kept)


def _overall(
    found: Mapping[str, Sequence[Pair]], tasks: Mapping[str, tuple[Change, ...]]
) -> tuple[Change, ...]:
    """The mean of the tasks that a subject has in both runs."""
    if len(tasks) == 1:
        return next(iter(tasks.values()))
    changes = []
    for subject, own in found.items():
        by_task = [[p for p in own if p.task == t] for t in tasks]
        changes.append(_change(subject, "", [kept for kept in by_task if kept]))
    return tuple(changes)


def _change(subject: str, task: str, strata: Sequence[Sequence[Pair]]) -> Change:
    every = [pair for kept in strata for pair in kept]
    return Change(
        subject,
        task,
        len(every),
        float(np.mean([np.mean([pair.before_score for pair in kept]) for kept in strata])),
        float(np.mean([np.mean([pair.after_score for pair in kept]) for kept in strata])),
        mean_of([_difference(kept) for kept in strata]),
        sum(pair.same for pair in every),
        sum(pair.lost for pair in every),
        sum(pair.won for pair in every),
    )


def _difference(pairs: Sequence[Pair]) -> Interval:
    if all(pair.same for pair in pairs):
        return Interval(0.0, 0.0, 0.0, len(pairs))
    found = interval(np.array([pair.difference for pair in pairs]), signed=True)
    assert found is not None, "there are pairs"
    return found


def _spent(subject: str, own: Sequence[Pair], before: Run, after: Run) -> Spent:
    totals = (before.info.totals, after.info.totals)
    here, there = (one.loads if one is not None else () for one in totals)
    return Spent(
        subject,
        costs([row for pair in own for row in pair.before], here),
        costs([row for pair in own for row in pair.after], there),
        comparable_loads=all(one is not None and not one.cached for one in totals),
    )


def _notices(
    before: Run, after: Run, subjects: Sequence[str], one: Answers, other: Answers
) -> list[str]:
    found = [f"A: {notice}" for notice in before.notices]
    found += [f"B: {notice}" for notice in after.notices]
    for label, run in (("A", before), ("B", after)):
        alone = [s.name for s in run.info.subjects if s.name not in subjects]
        if alone:
            found.append(f"Only {label} has {', '.join(alone)}.")
    if before.info.samples != after.info.samples:
        found.append(f"A has {before.info.samples} draws of each question, B {after.info.samples}.")
    return found + _task_notices(before.info, after.info, one, other)


def _task_notices(before: RunInfo, after: RunInfo, one: Answers, other: Answers) -> list[str]:
    here, there = ({task.name: task for task in info.tasks} for info in (before, after))
    found = []
    for label, own, others in (("A", here, there), ("B", there, here)):
        if alone := [name for name in own if name not in others]:
            found.append(f"Only {label} has the tasks {', '.join(alone)}.")
    for name in here:
        if name in there:
            found += _differences(here[name], there[name])
            found += _questions(name, one.questions(name), other.questions(name))
    return found


def _differences(here: TaskInfo, there: TaskInfo) -> list[str]:
    found = []
    if here.scorer != there.scorer:
        found.append(f"{here.name}: A was scored by {here.scorer}, B by {there.scorer}.")
    if here.version != there.version:
        found.append(f"{here.name}: A has version {here.version} of the task, B {there.version}.")
    if here.digest != there.digest and not found:
        found.append(f"{here.name}: the digests differ: questions, prompts or right answers do.")
    return found


def _questions(
    task: str, here: Mapping[str, tuple[str, str]], there: Mapping[str, tuple[str, str]]
) -> list[str]:
    common = here.keys() & there.keys()
    changed = sum(here[sample] != there[sample] for sample in common)
    parts = [
        (len(here) - len(common), "only in A"),
        (len(there) - len(common), "only in B"),
        (changed, "with another text or right answer"),
    ]
    said = [f"{counted(count, 'question')} {what}" for count, what in parts if count]
    left = len(common) - changed
    return [f"{task}: {', '.join(said)}; {left:,} are compared."] if said else []
