"""The votes of recorded models, category by category: where asking several pays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from rich.console import Console

from evals.benchmarks.routing.experiment import SINGLE, Experiment
from evals.benchmarks.routing.panel_curves import CATEGORY, ROUTED, Curve
from evals.benchmarks.routing.votes import ADAPTIVE, FULL
from evals.reporting.intervals import Accuracy, paired_gain
from evals.reporting.table import interval, print_table, say, tenths

THREE = 3
"""Members of the panels that stand beside one, all and the adaptive vote."""
COLUMNS = (
    "category",
    "questions",
    "best single",
    "three of the category",
    "three by router",
    "adaptive",
    "all",
    "adaptive's gain",
)


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """One category in numbers; means are in 0..1."""

    name: str
    questions: int
    means: Mapping[str, float]
    """Of every way, under its column's name; panels of three only where there are three models."""
    gain: Accuracy
    """Of the adaptive vote over the best single model."""


def by_category(
    found: Experiment, curves: Mapping[str, Curve], categories: Sequence[str]
) -> list[CategoryRow]:
    """A row for each category, by name; `categories` are those of the test questions in order."""
    single, adaptive = found.ways[SINGLE].scores, found.ways[ADAPTIVE].scores
    marks = {
        "best single": single,
        "three of the category": _three(curves, CATEGORY),
        "three by router": _three(curves, ROUTED),
        "adaptive": adaptive,
        "all": found.ways[FULL].scores,
    }
    own = np.array(categories)
    return [
        CategoryRow(
            name,
            int((own == name).sum()),
            {
                way: float(scores[own == name].mean())
                for way, scores in marks.items()
                if len(scores)
            },
            paired_gain(adaptive[own == name].tolist(), single[own == name].tolist()),
        )
        for name in sorted(set(categories))
    ]


def _three(curves: Mapping[str, Curve], way: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(curves[way].scores.get(THREE, ()), dtype=np.float64)


def print_by_category(console: Console, rows: Sequence[CategoryRow]) -> None:
    """Print the table, the categories that a vote helps most first."""
    ways = COLUMNS[2:-1]
    cells = [
        [
            row.name,
            str(row.questions),
            *(tenths(row.means[way]) if way in row.means else "" for way in ways),
            f"{100 * row.gain.mean:+.1f} ({interval(row.gain)})",
        ]
        for row in sorted(rows, key=lambda row: -row.gain.mean)
    ]
    print_table(console, COLUMNS, cells)
    helped = sum(row.gain.low > 0 for row in rows)
    hurt = sum(row.gain.high < 0 for row in rows)
    typical = fmean(row.gain.mean for row in rows)
    say(
        console,
        f"The adaptive vote is surely above the best single model in {helped} of {len(rows)}"
        f" categories and surely below it in {hurt}; mean over categories"
        f" {100 * typical:+.1f} points.",
    )


def as_json(rows: Sequence[CategoryRow]) -> dict[str, object]:
    """The table as a tree of plain values."""
    return {
        row.name: {
            "questions": row.questions,
            **row.means,
            "gain": row.gain.mean,
            "gain_interval": [row.gain.low, row.gain.high],
        }
        for row in rows
    }
