"""What the routers' experiment found: a table, a JSON file, a quality-cost picture."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

from evals.benchmarks.routing.experiment import ORACLE, ROUTERS, SINGLE, Experiment, Way
from evals.benchmarks.routing.quality_cost import aiq, hull
from evals.reporting.intervals import Accuracy, paired_gain
from evals.reporting.numbers import number
from evals.reporting.table import interval, print_table, say, tenths

FAR = 10.0
"""Prices that are so many times apart are drawn on a logarithmic axis."""
COLUMNS = ("way", "right %", "95 % interval", "gain", "interval", "gap %", "calls", "price", "AIQ")


@dataclass(frozen=True, slots=True)
class Line:
    """A way in numbers."""

    name: str
    accuracy: Accuracy
    gain: Accuracy
    """Over the best single expert."""
    of_the_gap: float
    """Share of the way from the best single expert to the per-query oracle."""
    calls: float
    price: float
    aiq: float | None


def lines(experiment: Experiment) -> list[Line]:
    """All ways, the best first."""
    ways = experiment.ways
    single, oracle = ways[SINGLE].scores, ways[ORACLE].scores
    gap = float(oracle.mean() - single.mean())
    anchors = [point for name, way in ways.items() if name == SINGLE for point in _points(way)]
    dearest = max(price for way in ways.values() for price, _ in (*way.curve, *_points(way)))
    found = [
        Line(
            name,
            paired_gain(way.scores.tolist(), np.zeros(len(way.scores)).tolist()),
            paired_gain(way.scores.tolist(), single.tolist()),
            float(way.scores.mean() - single.mean()) / gap if gap > 0 else 0.0,
            way.calls,
            float(way.prices.mean()),
            aiq([*way.curve, *anchors], dearest) if way.curve else None,
        )
        for name, way in ways.items()
    ]
    return sorted(found, key=lambda line: -line.accuracy.mean)


def print_lines(console: Console, experiment: Experiment, title: str) -> list[Line]:
    """Print the table; returns its lines."""
    say(console, title)
    say(
        console,
        f"Fitted on {experiment.fitted_on} questions, tested on {experiment.questions} others;"
        f" price in {experiment.unit}.",
    )
    say(console)
    rows = lines(experiment)
    print_table(
        console,
        COLUMNS,
        [_cells(line) for line in rows],
    )
    return rows


def print_experiment(console: Console, experiment: Experiment, title: str) -> int:
    """Print the table; returns the exit code, 1 where a router is surely below the best single."""
    rows = print_lines(console, experiment, title)
    if experiment.notes:
        say(console)
    for note in experiment.notes:
        say(console, note)
    say(console)
    best = next(line for line in rows if line.name in ROUTERS)
    say(
        console,
        f"Best router: {best.name}, {100 * best.gain.mean:+.1f} points over the best single expert"
        f" (95 %: {interval(best.gain)}).",
    )
    return 1 if any(line.gain.high < 0 for line in rows if line.name in ROUTERS) else 0


def write_lines(path: Path, experiment: Experiment, setting: Mapping[str, Any]) -> None:
    """Everything in the table, the curves, and what was run."""
    tree = {
        "setting": dict(setting),
        "questions": experiment.questions,
        "fitted_on": experiment.fitted_on,
        "price_unit": experiment.unit,
        "notes": list(experiment.notes),
        "ways": {
            line.name: {
                "accuracy": line.accuracy.mean,
                "interval": [line.accuracy.low, line.accuracy.high],
                "gain": line.gain.mean,
                "gain_interval": [line.gain.low, line.gain.high],
                "share_of_oracle_gap": line.of_the_gap,
                "calls": line.calls,
                "price": line.price,
                "aiq": line.aiq,
                "curve": experiment.ways[line.name].curve,
            }
            for line in lines(experiment)
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")


def draw(path: Path, experiment: Experiment) -> None:
    """Right answers against price: a line for each router, a point for everything else."""
    mpl.use("Agg")
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    means = {name: _points(way)[0] for name, way in experiment.ways.items()}
    prices = [price for way in experiment.ways.values() for price, _ in (*way.curve, *_points(way))]
    if min(prices) > 0 and max(prices) > FAR * min(prices):
        axes.set_xscale("log")
    for name, way in experiment.ways.items():
        if way.curve:
            costs, scores = np.array(hull(way.curve)).T
            axes.plot(costs, 100 * scores, marker=".", label=name)
        elif name != ORACLE:
            price, score = means[name]
            axes.plot([price], [100 * score], "x", color="grey")
            # To the left of what is at the right edge.
            last = price == max(prices)
            axes.annotate(
                name,
                (price, 100 * score),
                xytext=(-6 if last else 6, 4),
                textcoords="offset points",
                ha="right" if last else "left",
            )
    axes.set_xlabel(f"mean price of a question, {experiment.unit}")
    axes.set_ylabel("right answers, %")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _points(way: Way) -> Sequence[tuple[float, float]]:
    return [(float(way.prices.mean()), float(way.scores.mean()))]


def _cells(line: Line) -> list[str]:
    return [
        line.name,
        tenths(line.accuracy.mean),
        interval(line.accuracy),
        f"{100 * line.gain.mean:+.1f}",
        interval(line.gain),
        f"{100 * line.of_the_gap:.0f}",
        number(line.calls),
        f"{line.price:.4g}",
        "-" if line.aiq is None else tenths(line.aiq),
    ]
