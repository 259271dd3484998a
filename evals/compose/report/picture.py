"""The frontier as a picture: right answers against what they cost."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from evals.compose.experiment import Judged, Result
from evals.compose.search import Costs

FAR = 10.0
"""Costs that are so many times apart are drawn on a logarithmic axis."""


def draw(path: Path, result: Result, cost: Costs, label: str) -> None:
    """Write .svg or .png: the frontier and the best single expert, on the report's questions."""
    mpl.use("Agg")
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    points = sorted(result.points, key=lambda one: cost(one.reported))
    _bars(axes, points, cost, "frontier", "o-", "tab:blue")
    chosen_on = sorted((cost(one.selected), one.selected.accuracy) for one in points)
    axes.plot(
        [price for price, _ in chosen_on],
        [100 * share for _, share in chosen_on],
        ":",
        color="tab:grey",
        label="where it was chosen",
    )
    _bars(
        axes,
        [result.single],
        cost,
        f"best single of the report: {result.single.selected.composition}",
        "s",
        "tab:orange",
    )
    _bars(
        axes,
        [result.chosen],
        cost,
        f"chosen: {result.chosen.selected.composition}",
        "D",
        "tab:green",
    )
    costs = [cost(one.reported) for one in (*points, result.single, result.chosen)]
    if min(costs) > 0 and max(costs) > FAR * min(costs):
        axes.set_xscale("log")
        plain = FuncFormatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_major_formatter(plain)
        axes.xaxis.set_minor_formatter(plain)
    axes.set_xlabel(label)
    axes.set_ylabel("right answers, %, with 95 % intervals")
    axes.grid(visible=True, alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _bars(
    axes: Axes, points: list[Judged], cost: Costs, label: str, style: str, color: str
) -> None:
    found = [one.accuracy for one in points]
    axes.errorbar(
        [cost(one.reported) for one in points],
        [100 * one.mean for one in found],
        yerr=[
            [100 * (one.mean - one.low) for one in found],
            [100 * (one.high - one.mean) for one in found],
        ],
        fmt=style,
        color=color,
        capsize=2,
        label=label,
    )
