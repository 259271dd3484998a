"""What abstaining spares: tables of risk and coverage, a JSON file, a picture."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console

from evals.benchmarks.routing.coverage_curves import (
    FOREIGN,
    SIGNALS,
    Answered,
    Area,
    accuracies,
    area,
    aurc,
)
from evals.reporting.table import print_table, say, tenths

SHARES = (1.0, 0.9, 0.8, 0.7, 0.5, 0.3)
"""Shares of questions answered that the table shows."""
ALL, OWN = "all questions", "without foreign ones"
FEWEST = 40
"""Questions of a category that gets a row of its own."""
DRAWN = np.arange(2, 101) / 100
"""Shares that are drawn. Below 2 % the accuracy of a handful of questions jumps."""


@dataclass(frozen=True, eq=False)
class Row:
    """The areas of one set of questions."""

    name: str
    questions: int
    risk: float
    """Area of abstaining at random."""
    oracle: float
    """Area of abstaining where the answer is wrong."""
    areas: Mapping[str, Area]


def row_of(name: str, answered: Answered) -> Row:
    """The areas of all signals on these questions."""
    scores = answered.scores
    areas = {signal: area(scores, answered.confidence[signal]) for signal in SIGNALS}
    return Row(name, len(scores), 1.0 - float(scores.mean()), aurc(scores, scores), areas)


def rows_of(answered: Answered) -> list[Row]:
    """All questions, those of the table itself, and each category that has enough of them."""
    found = [row_of(ALL, answered)]
    own = answered.categories != FOREIGN
    if not own.all():
        found.append(row_of(OWN, answered.take(own)))
    names, counts = np.unique(answered.categories, return_counts=True)
    for name in names[(counts >= FEWEST) & (names != FOREIGN)]:
        found.append(row_of(str(name), answered.take(answered.categories == name)))
    return found


def print_coverage(console: Console, answered: Answered, rows: Sequence[Row], title: str) -> int:
    """Print both tables and what follows from them; returns the exit code, which is 0."""
    say(console, title)
    say(console)
    shares = [f"{100 * share:.0f} %" for share in SHARES]
    print_table(console, ("right % of those answered", *shares, "AURC"), _curves(answered))
    say(console, guard_line(answered))
    say(console)
    columns = ("AURC", "questions", "random", "oracle", *SIGNALS)
    print_table(console, columns, [_cells(row) for row in rows])
    say(console, "Lower is better; * surely below abstaining at random (95 %).")
    say(console)
    for signal in SIGNALS:
        say(console, verdict(rows, signal))
    return 0


def guard_line(answered: Answered) -> str:
    """What the guard does at its own threshold."""
    strangers = answered.categories == FOREIGN
    kept = ~answered.alarmed
    before, after = answered.scores.mean(), answered.scores[kept].mean() if kept.any() else 0.0
    own = f"{100 * kept[~strangers].mean():.1f} % of the table's questions"
    foreign = ""
    if strangers.any():
        foreign = f" and {100 * kept[strangers].mean():.1f} % of the foreign ones"
    return (
        f"At its threshold the guard answers {own}{foreign}:"
        f" {tenths(float(after))} % right of what it answers, {tenths(float(before))} of all."
    )


def verdict(rows: Sequence[Row], signal: str) -> str:
    """In which sets of questions a signal helps, naming those where it does not or the few."""
    helped = [row.name for row in rows if row.areas[signal].helps]
    without = [row.name for row in rows if not row.areas[signal].helps]
    if not helped or not without:
        return f"{signal}: sure help in {'every row' if helped else 'none of the rows'}."
    if len(helped) < len(without):
        return f"{signal}: sure help in {', '.join(helped)} only ({len(helped)} of {len(rows)})."
    return f"{signal}: no sure help in {', '.join(without)} ({len(without)} of {len(rows)})."


def _curves(answered: Answered) -> list[list[str]]:
    scores = answered.scores
    ways = {**answered.confidence, "oracle": scores, "random": np.zeros(len(scores))}
    found = []
    for name, confidence in ways.items():
        line = accuracies(scores, confidence)
        at = line[_places(np.array(SHARES), len(line))]
        found.append([name, *(tenths(float(one)) for one in at), f"{1 - line.mean():.3f}"])
    return found


def _places(shares: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Where in a curve over `count` questions these shares are reached."""
    return np.maximum(np.round(shares * count).astype(np.intp), 1) - 1


def _cells(row: Row) -> list[str]:
    marked = [f"{one.aurc:.3f}{'*' if one.helps else ' '}" for one in row.areas.values()]
    return [row.name, str(row.questions), f"{row.risk:.3f}", f"{row.oracle:.3f}", *marked]


def draw(path: Path, answered: Answered, rows: Sequence[Row]) -> None:
    """To the left accuracy against the share answered, to the right what each row is spared."""
    mpl.use("Agg")
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    _draw_curves(left, answered)
    _draw_areas(right, rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=85)


def _draw_curves(axes: Axes, answered: Answered) -> None:
    scores = answered.scores
    at = _places(DRAWN, len(scores))
    ways = {"oracle": (scores, "grey", ":"), "random": (np.zeros(len(scores)), "grey", "--")}
    for name, (confidence, colour, style) in ways.items():
        line = 100 * accuracies(scores, confidence)[at]
        axes.plot(100 * DRAWN, line, style, color=colour, label=name)
    for name, confidence in answered.confidence.items():
        axes.plot(100 * DRAWN, 100 * accuracies(scores, confidence)[at], label=name)
    kept = ~answered.alarmed
    if kept.any():
        point = (100 * kept.mean(), 100 * scores[kept].mean())
        axes.plot(*point, "o", color="black", label="the guard's threshold")
    axes.set_xlabel("questions answered, %")
    axes.set_ylabel("right answers among them, %")
    axes.set_xlim(0, 100)
    axes.legend(loc="upper right")
    axes.grid(alpha=0.3)


def _draw_areas(axes: Axes, rows: Sequence[Row]) -> None:
    places = np.arange(len(rows))[::-1]
    for number, signal in enumerate(SIGNALS):
        areas = [row.areas[signal] for row in rows]
        spared = np.array([100 * one.spared for one in areas])
        low = spared - [100 * one.low for one in areas]
        high = np.array([100 * one.high for one in areas]) - spared
        bars = np.clip([low, high], 0, None)
        height = places + 0.25 - 0.25 * number
        axes.errorbar(spared, height, xerr=bars, fmt="o", markersize=4, label=signal)
    axes.axvline(0, color="grey", linestyle="--")
    axes.set_yticks(places, [row.name for row in rows])
    axes.set_xlabel("points of risk below random abstention (mean over shares)")
    axes.grid(alpha=0.3, axis="x")


def write_json(
    path: Path, answered: Answered, rows: Sequence[Row], setting: Mapping[str, object]
) -> None:
    """Everything in the tables, with the curves at every whole percent."""
    at = _places(np.arange(1, 101) / 100, len(answered.scores))
    tree = {
        "setting": dict(setting),
        "guard": {
            "answered": float((~answered.alarmed).mean()),
            "answered_of_foreign": _mean(~answered.alarmed[answered.categories == FOREIGN]),
            "accuracy": _mean(np.asarray(answered.scores[~answered.alarmed], np.float64)),
        },
        "curves": {
            name: accuracies(answered.scores, confidence)[at].tolist()
            for name, confidence in answered.confidence.items()
        },
        "rows": {
            row.name: {
                "questions": row.questions,
                "random": row.risk,
                "oracle": row.oracle,
                **{
                    signal: {
                        "aurc": one.aurc,
                        "spared": one.spared,
                        "interval": [one.low, one.high],
                    }
                    for signal, one in row.areas.items()
                },
            }
            for row in rows
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")


def _mean(values: NDArray[np.float64] | NDArray[np.bool_]) -> float | None:
    return float(values.mean()) if len(values) else None
