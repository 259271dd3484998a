"""What an ablation found, as a table of accuracies and one of differences."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from evals.client.worker.answers import Scores
from evals.reporting.intervals import Accuracy, paired_gain
from evals.reporting.table import interval, print_table, say, tenths
from evals.tasks.task import Task

BASE = "as configured"


@dataclass(frozen=True, slots=True)
class Ablated:
    """Scores on the test questions."""

    tasks: tuple[Task, ...]
    variants: Mapping[str, tuple[Scores, ...]]
    """One entry per seed; `BASE` is among them."""
    whole_answers: Mapping[str, Scores]
    """One member per question, or a vote: `evals.benchmarks.fusion.controls`."""

    def per_question(self, variant: str, task: str) -> list[float]:
        """Mean score of each question over the seeds."""
        runs = [scores[task] for scores in self.variants[variant]]
        return [statistics.fmean(values) for values in zip(*runs, strict=True)]

    def per_seed(self, variant: str, task: str) -> list[float]:
        """Accuracy of each seed."""
        return [statistics.fmean(scores[task]) for scores in self.variants[variant]]

    def lost(self, variant: str, task: str) -> Accuracy:
        """What `BASE` has more than the variant: mean over seeds, interval over questions."""
        return paired_gain(self.per_question(BASE, task), self.per_question(variant, task))

    def above(self, way: str, task: str) -> Accuracy:
        """What `BASE` has more than a way to use whole answers."""
        return paired_gain(self.per_question(BASE, task), self.whole_answers[way][task])


def print_ablation(console: Console, ablated: Ablated) -> int:
    """Print both tables; returns the exit code."""
    names = [task.name for task in ablated.tasks]
    seeds = len(ablated.variants[BASE])
    say(console)
    say(console, f"Right answers in percent: mean of {seeds} seeds (lowest - highest seed)")
    rows = [
        [variant, *(_seeds(ablated.per_seed(variant, task)) for task in names)]
        for variant in ablated.variants
    ]
    rows += [
        [way, *(tenths(statistics.fmean(scores[task])) for task in names)]
        for way, scores in ablated.whole_answers.items()
    ]
    print_table(console, ["way", *names], rows)
    say(console)
    say(console, f"Points by which `{BASE}` is better (95 % interval over the questions)")
    others = [variant for variant in ablated.variants if variant != BASE]
    rows = [[v, *(_gain(ablated.lost(v, task)) for task in names)] for v in others]
    rows += [[w, *(_gain(ablated.above(w, task)) for task in names)] for w in ablated.whole_answers]
    print_table(console, ["than", *names], rows)
    return 0


def _seeds(values: Sequence[float]) -> str:
    return f"{tenths(statistics.fmean(values))} ({tenths(min(values))} - {tenths(max(values))})"


def _gain(gain: Accuracy) -> str:
    return f"{100 * gain.mean:+.1f} ({interval(gain)})"


def write_json(path: Path, ablated: Ablated) -> None:
    """Accuracy by seed, and every difference with its interval."""
    names = [task.name for task in ablated.tasks]
    tree: dict[str, Any] = {
        "accuracy": {
            variant: {task: ablated.per_seed(variant, task) for task in names}
            for variant in ablated.variants
        },
        "better_by": {
            **{
                v: {t: asdict(ablated.lost(v, t)) for t in names}
                for v in ablated.variants
                if v != BASE
            },
            **{w: {t: asdict(ablated.above(w, t)) for t in names} for w in ablated.whole_answers},
        },
    }
    path.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
