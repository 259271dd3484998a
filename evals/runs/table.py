"""The short table that ends a run."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from rich.console import Console

from evals.reporting import intervals
from evals.reporting.intervals import Accuracy
from evals.reporting.numbers import counted
from evals.reporting.table import interval, print_table, say, tenths
from evals.runs.record import RUN_FILE, SAMPLES_FILE, Row, RunInfo
from evals.runs.scoring import failed, hopeless

FAILURES_SHOWN = 5
_HEAD = ("subject", "right %", "95 % interval")
_TAIL = ("calls each", "tokens each", "USD a 1000", "s each")


def print_run(console: Console, folder: Path, info: RunInfo, rows: Sequence[Row]) -> int:
    """Print how each subject did, and what all cost; returns 1 where a call failed, else 0."""
    by_subject: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_subject[row.subject].append(row)
    tasks = [task.name for task in info.tasks]
    shown = tasks if len(tasks) > 1 else []
    # Of a server without a configuration, nobody knows what its answers cost.
    priced = bool(info.experts)
    say(console)
    print_table(
        console,
        (*_HEAD, *shown, *_TAIL),
        [_cells(name, own, shown, priced) for name, own in by_subject.items()],
    )
    say(console)
    for line in _totals(info):
        say(console, line)
    for line in _failures(rows):
        say(console, line, "bold yellow")
    say(console, f"wrote {folder / RUN_FILE} and {folder / SAMPLES_FILE}")
    return 1 if failed(rows) else 0


def accuracy_of(rows: Sequence[Row]) -> Accuracy:
    """Of one subject, as the report counts it: each task the same, and each of its questions.

    Several draws of a question count as one, with their mean.
    """
    by_task: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_task[row.task][row.sample].append(row.score)
    parts = [intervals.accuracy_of([fmean(own) for own in q.values()]) for q in by_task.values()]
    return Accuracy(*intervals.combined(parts), sum(one.count for one in parts))


def _cells(name: str, rows: Sequence[Row], tasks: Sequence[str], priced: bool) -> list[str]:
    if failed(rows) == len(rows):  # Nothing is known of it, which is not the same as 0 %.
        return [name, *["-"] * (len(_HEAD) - 1 + len(tasks) + len(_TAIL))]
    whole = accuracy_of(rows)
    tokens = [sum(t.prompt + t.completion for t in row.tokens.values()) for row in rows]
    return [
        name,
        tenths(whole.mean),
        interval(whole),
        *(tenths(accuracy_of([row for row in rows if row.task == task]).mean) for task in tasks),
        f"{fmean(sum(row.calls.values()) for row in rows):.2f}",
        f"{fmean(tokens):.0f}",
        f"{1000 * fmean(row.price_usd for row in rows):.4f}" if priced else "-",
        f"{fmean(row.seconds for row in rows):.2f}",
    ]


def _totals(info: RunInfo) -> list[str]:
    totals = info.totals
    assert totals is not None, "a run that has ended has totals"
    questions = sum(task.questions for task in info.tasks)
    loads = f", {counted(len(totals.loads), 'load')}" if totals.loads else ""
    graded = f" and {counted(totals.graded, 'answer')} to grade" if totals.graded else ""
    return [
        f"{counted(questions, 'question')}, {counted(totals.calls, 'call')} of the"
        f" subjects{graded}: {totals.asked:,} asked in {totals.seconds:.1f} s{loads},"
        f" {totals.cached} from the cache.",
        f"Asked: {totals.tokens.prompt} tokens read, {totals.tokens.completion} written"
        + (f", {totals.price_usd:.4f} USD." if info.experts else "."),
    ]


def _failures(rows: Sequence[Row]) -> list[str]:
    """What went wrong, each kind of failure once."""
    alike: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.error is not None:
            alike[row.subject, row.task, row.error].append(row)
    lines = [_failure(own) for own in alike.values()]
    if len(lines) > FAILURES_SHOWN:
        left = sum(map(len, list(alike.values())[FAILURES_SHOWN:]))
        lines = [*lines[:FAILURES_SHOWN], f"... and {left} more answers failed."]
    if any(map(hopeless, rows)):
        lines.append(
            "What was refused (expert_refused) will be refused again, unless the task, the"
            " pool or the server changes."
        )
    if lines:
        lines.append("The same command makes the calls that failed again, and no others.")
    return lines


def _failure(rows: Sequence[Row]) -> str:
    first = rows[0]
    where = f"{first.sample}, draw {first.draw}" if first.draw else first.sample
    count = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
    return f"FAILED: {first.subject}, {first.task} {where}{count}: {first.error}"
