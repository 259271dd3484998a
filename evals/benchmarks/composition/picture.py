"""Accuracy of compositions, single experts and the oracle over budgets of parameters, drawn."""

from collections.abc import Sequence
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
LABELS = 5
"""Single experts that are named in a picture: those that no smaller one beats, the best of them."""


def draw(
    path: Path,
    evidence: Evidence,
    parts: Sequence[Part],
    sweeps: dict[Kind, Sequence[Point]],
    unit: str,
) -> None:
    """Two pictures beside each other: budgets of all parameters, and of active ones on average."""
    mpl.use("Agg")
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    both = figure.subplots(1, 2, sharey=True)
    means = np.concatenate([part.scores for part in parts]).mean(axis=0)
    for axes, (kind, points) in zip(both, sweeps.items(), strict=True):
        sizes = evidence.total if kind == "total" else evidence.active
        _panel(axes, kind, points)
        _singles(axes, evidence.training_set.experts, sizes, means)
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


def _singles(axes: Any, experts: Sequence[str], sizes: Floats, means: Floats) -> None:
    axes.plot(sizes, 100 * means, "o", color=ORANGE, markersize=4, alpha=0.7, label="single expert")
    order = np.lexsort((-means, sizes))
    best = np.maximum.accumulate(means[order])
    front = [int(one) for place, one in enumerate(order) if means[one] == best[place]]
    front = [one for n, one in enumerate(front) if n == 0 or means[one] > means[front[n - 1]]]
    named = sorted(front, key=lambda one: -means[one])[:LABELS]
    for place, one in enumerate(sorted(named, key=lambda one: means[one])):
        axes.annotate(
            experts[one],
            (sizes[one], 100 * means[one]),
            xytext=(8, -12 - 11 * (len(named) - place - 1) if place < len(named) - 1 else -14),
            textcoords="offset points",
            fontsize=7.5,
            color="#333333",
            arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.6},
        )
