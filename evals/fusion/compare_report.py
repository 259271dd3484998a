"""What the comparison of FusionRoute found, in a table and in verdicts against the targets."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from evals.bench_report import Verdict
from evals.fusion.compare import FUSED, Comparison
from evals.fusion.controls import Scores
from evals.intervals import Accuracy, accuracy
from evals.table import interval, print_table, say, tenths
from evals.tasks import Task

KNOWN_AT = 0.5
"""A task is somebody's, or can be done at all, from this accuracy on."""
BELOW_SPECIALIST_AT_MOST = 0.02
JOINT_AT_LEAST = 0.9
ABOVE_OTHERS_AT_LEAST = 0.3
ROUNDING = 1e-9


def right(scores: Scores, task: Task) -> Accuracy:
    """The accuracy on one task."""
    values = scores[task.name]
    return accuracy(sum(values), len(values))


def verdicts(comparison: Comparison) -> list[Verdict]:
    """Every target with its measurement; tasks that no way can do have none."""
    found: list[Verdict] = []
    for task in comparison.tasks:
        own = right(comparison.fused, task)
        name, best = _best(comparison.members, task)
        if best.mean >= KNOWN_AT:
            found.append(_beside_specialist(task, own, name, best))
        elif any(right(way, task).mean >= KNOWN_AT for way in comparison.ways.values()):
            found += _of_several(task, own, *_best(comparison.whole_answers, task))
    return found


def _best(ways: Mapping[str, Scores], task: Task) -> tuple[str, Accuracy]:
    name = max(ways, key=lambda way: right(ways[way], task).mean)
    return name, right(ways[name], task)


def _beside_specialist(task: Task, own: Accuracy, name: str, best: Accuracy) -> Verdict:
    gain = own.mean - best.mean
    return Verdict(
        gain >= -BELOW_SPECIALIST_AT_MOST - ROUNDING,
        f"{task.name}: {tenths(own.mean)} %, its specialist ({name}) {tenths(best.mean)} %:"
        f" {100 * gain:+.1f} points (target: at most {100 * BELOW_SPECIALIST_AT_MOST:.0f} below)",
    )


def _of_several(task: Task, own: Accuracy, name: str, best: Accuracy) -> Iterator[Verdict]:
    yield Verdict(
        own.mean >= JOINT_AT_LEAST - ROUNDING,
        f"{task.name}, which no member can do: {tenths(own.mean)} %"
        f" (target: at least {100 * JOINT_AT_LEAST:.0f} %)",
    )
    gain = own.mean - best.mean
    yield Verdict(
        gain >= ABOVE_OTHERS_AT_LEAST - ROUNDING,
        f"{task.name}: {100 * gain:.1f} points above every query-level router and the vote"
        f" (best: {name}, {tenths(best.mean)} %; target: at least"
        f" {100 * ABOVE_OTHERS_AT_LEAST:.0f})",
    )


def print_comparison(console: Console, comparison: Comparison) -> int:
    """Print the table and the verdicts; returns the exit code."""
    tasks = comparison.tasks
    rows = [
        [name, *(tenths(right(way, task).mean) for task in tasks)]
        for name, way in comparison.ways.items()
    ]
    rows.append(["questions", *(str(len(comparison.fused[task.name])) for task in tasks)])
    say(console)
    print_table(console, ["right %", *(task.name[:8] for task in tasks)], rows, bold=0)
    say(console)
    for task in tasks:
        say(
            console,
            f"{FUSED} on {task.name}: 95 % interval {interval(right(comparison.fused, task))}",
        )
    say(console)
    results = verdicts(comparison)
    for verdict in results:
        say(console, f"{'ok  ' if verdict.met else 'MISS'}  {verdict.text}")
    return 0 if all(verdict.met for verdict in results) else 1


def write_json(path: Path, comparison: Comparison) -> None:
    """Every accuracy with its interval, and the verdicts."""
    tree: dict[str, Any] = {
        "accuracy": {
            name: {task.name: asdict(right(way, task)) for task in comparison.tasks}
            for name, way in comparison.ways.items()
        },
        "verdicts": [asdict(verdict) for verdict in verdicts(comparison)],
    }
    path.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
