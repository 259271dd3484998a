"""What the comparison of a fused expert found, in a table and in verdicts against targets."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from evals.benchmarks.fusion.compare import Comparison
from evals.client.worker.answers import Scores
from evals.reporting.intervals import Accuracy, accuracy, paired_gain
from evals.reporting.table import interval, print_table, say, tenths
from evals.reporting.verdicts import Verdict, print_verdicts
from evals.tasks.task import Task, load_tasks

KNOWN_AT = 0.5
"""A task is somebody's, or can be done at all, from this accuracy on."""
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Targets:
    """What a fused expert has to reach; accuracies and differences in 0..1."""

    below_specialist_at_most: float
    """On a task that a member can do."""
    joint_at_least: float
    """On a task that no member can do, but somebody can."""
    above_others_at_least: float
    """There, over every query-level router and the vote."""
    above_variants: tuple[str, ...] = ()
    """Variants that it has to beat there, with an interval above 0."""


ROUTE_TARGETS = Targets(0.02, joint_at_least=0.9, above_others_at_least=0.3)


def right(scores: Scores, task: Task) -> Accuracy:
    """The accuracy on one task."""
    values = scores[task.name]
    return accuracy(sum(values), len(values))


def verdicts(comparison: Comparison, targets: Targets) -> list[Verdict]:
    """Every target with its measurement; tasks that no way can do have none."""
    found: list[Verdict] = []
    for task in comparison.tasks:
        name, best = _best(comparison.members, task)
        if best.mean >= KNOWN_AT:
            found.append(_beside_specialist(comparison, targets, task, name))
        elif needs_several(task) or _reached(comparison, task) >= KNOWN_AT:
            found += _of_several(comparison, targets, task)
    return found


def needs_several(task: Task) -> bool:
    """Whether the keywords of a task's questions name the skills of several tasks of ours."""
    known = load_tasks()
    return any(sum(word in known for word in sample.keywords) > 1 for sample in task.rows)


def _reached(comparison: Comparison, task: Task) -> float:
    return max(right(way, task).mean for way in comparison.ways.values())


def _best(ways: Mapping[str, Scores], task: Task) -> tuple[str, Accuracy]:
    name = max(ways, key=lambda way: right(ways[way], task).mean)
    return name, right(ways[name], task)


def _beside_specialist(comparison: Comparison, targets: Targets, task: Task, name: str) -> Verdict:
    own, best = right(comparison.fused, task), right(comparison.members[name], task)
    gain, most = own.mean - best.mean, targets.below_specialist_at_most
    return Verdict(
        gain >= -most - ROUNDING,
        f"{task.name}: {tenths(own.mean)} %, its specialist ({name}) {tenths(best.mean)} %:"
        f" {100 * gain:+.1f} points (target: at most {100 * most:.0f} below)",
    )


def _of_several(comparison: Comparison, targets: Targets, task: Task) -> Iterator[Verdict]:
    own = right(comparison.fused, task)
    yield Verdict(
        own.mean >= targets.joint_at_least - ROUNDING,
        f"{task.name}, which no member can do: {tenths(own.mean)} % ({interval(own)})"
        f" (target: at least {100 * targets.joint_at_least:.0f} %)",
    )
    name, _ = _best(comparison.whole_answers, task)
    gain = paired_gain(comparison.fused[task.name], comparison.whole_answers[name][task.name])
    least = targets.above_others_at_least
    yield Verdict(
        gain.mean >= least - ROUNDING and gain.low > 0,
        f"{task.name}: {tenths(gain.mean)} points ({interval(gain)}) above every query-level"
        f" router and the vote (best: {name}; target: at least {100 * least:.0f}, interval"
        " above 0)",
    )
    for variant in targets.above_variants:
        gain = paired_gain(comparison.fused[task.name], comparison.variants[variant][task.name])
        yield Verdict(
            gain.low > 0,
            f"{task.name}: {tenths(gain.mean)} points ({interval(gain)}) above: {variant} (target:"
            " interval above 0)",
        )


def print_comparison(console: Console, comparison: Comparison, targets: Targets) -> int:
    """Print the table and the verdicts; returns the exit code."""
    tasks = comparison.tasks
    rows = [
        [name, *(tenths(right(way, task).mean) for task in tasks)]
        for name, way in comparison.ways.items()
    ]
    rows.append(["questions", *(str(len(comparison.fused[task.name])) for task in tasks)])
    say(console)
    print_table(console, ["right %", *(task.name[:6] for task in tasks)], rows, bold=0)
    say(console)
    return print_verdicts(console, verdicts(comparison, targets))


def write_json(path: Path, comparison: Comparison, targets: Targets) -> None:
    """Every accuracy with its interval, and the verdicts."""
    tree: dict[str, Any] = {
        "accuracy": {
            name: {task.name: asdict(right(way, task)) for task in comparison.tasks}
            for name, way in comparison.ways.items()
        },
        "verdicts": [asdict(verdict) for verdict in verdicts(comparison, targets)],
    }
    path.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
