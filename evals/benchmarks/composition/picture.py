"""Accuracy of compositions, single experts and the oracle over budgets of parameters, drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from evals.benchmarks.composition.evidence import Evidence
from evals.benchmarks.composition.parts import Part
from evals.benchmarks.composition.sweep import Kind, Point
from evals.reporting.intervals import accuracy_of
from routers.fitted.training_set import Floats

# Okabe and Ito's colours, which colour-blind readers tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
FAR = 10.0
"""Budgets that are so many times apart are drawn on a logarithmic axis."""
NAMED = 5
"""Single experts that a picture names at most: the best of those that no smaller one beats."""
LETTERS = "abcdefghij"


def draw(
    path: Path,
    evidence: Evidence,
    parts: Sequence[Part],
    sweeps: Mapping[Kind, Sequence[Point]],
    unit: str,
) -> None:
    """Two pictures beside each other: budgets of all parameters, and of active ones on average."""
    mpl.use("Agg")
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    both = figure.subplots(1, 2, sharey=True)
    means = np.concatenate([part.scores for part in parts]).mean(axis=0)
    named = sorted({*_front(evidence.total, means), *_front(evidence.active, means)})
    experts = evidence.training_set.experts
    letters = dict(zip(sorted(named, key=lambda one: means[one]), LETTERS, strict=False))
    for axes, (kind, points) in zip(both, sweeps.items(), strict=True):
        sizes = evidence.total if kind == "total" else evidence.active
        _panel(axes, kind, points)
        _singles(axes, letters, sizes, means)
        what = "of all experts kept" if kind == "total" else "of who answers, on average"
        axes.set_xlabel(f"parameters {what}{unit}")
        axes.grid(alpha=0.25)
        budgets = [point.budget for point in points]
        if budgets[-1] > FAR * budgets[0]:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:g}"))
    both[0].set_ylabel("right answers, %")
    handles, names = both[1].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False)
    words = "      ".join(f"{letter}  {experts[one]}" for one, letter in letters.items())
    figure.supxlabel(words, fontsize=9, color="#333333")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def _panel(axes: Any, kind: Kind, points: Sequence[Point]) -> None:
    found = [accuracy_of(point.scores) for point in points]
    means = [100 * one.mean for one in found]
    # An average of active parameters is what came out; of all that are kept, what was allowed.
    places = [point.active if kind == "active" else point.budget for point in points]
    budgets = [point.budget for point in points]
    step = "post" if kind == "total" else None
    oracle = [100 * point.oracle for point in points]
    single = [100 * float(point.single.mean()) for point in points]
    style = {"drawstyle": f"steps-{step}"} if step else {}
    axes.plot(budgets, oracle, ":", color=GREEN, label="per-question oracle", **style)
    axes.fill_between(
        places,
        [100 * one.low for one in found],
        [100 * one.high for one in found],
        step=step,
        color=BLUE,
        alpha=0.18,
        linewidth=0,
    )
    axes.plot(places, means, "-", color=BLUE, linewidth=2, label="composition", **style)
    lots = [100 * float(p.by_lot.mean()) for p in points if p.by_lot is not None]
    if lots:
        axes.plot(budgets, lots, "--", color=GREY, label="lot between two single experts")
    axes.step(budgets, single, color=ORANGE, where="post", label="best single expert")


def _singles(axes: Any, letters: Mapping[int, str], sizes: Floats, means: Floats) -> None:
    axes.plot(sizes, 100 * means, "o", color=ORANGE, markersize=4, alpha=0.7, label="single expert")
    for one, letter in letters.items():
        axes.annotate(
            letter,
            (sizes[one], 100 * means[one]),
            xytext=(7, -11),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            fontweight="bold",
        )


def _front(sizes: Floats, means: Floats) -> list[int]:
    """Single experts that no other one beats that is no larger, the best `NAMED` of them."""
    front = [
        one for one in range(len(sizes)) if not ((sizes <= sizes[one]) & (means > means[one])).any()
    ]
    return sorted(front, key=lambda one: -means[one])[:NAMED]
