"""What the votes of recorded models bring: a table, and verdicts against the targets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, pstdev

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.console import Console

from evals.benchmarks.routing.experiment import SINGLE, Experiment
from evals.benchmarks.routing.panel_curves import Curve
from evals.benchmarks.routing.recorded_report import print_lines, write_lines
from evals.benchmarks.routing.votes import ADAPTIVE, FULL, WEIGHTED
from evals.benchmarks.routing.votes_by_category import CategoryRow, as_json, print_by_category
from evals.reporting.intervals import Accuracy, paired_gain
from evals.reporting.table import interval, print_table, say, tenths
from evals.reporting.verdicts import Verdict, print_verdicts

LOSS_AT_MOST = 0.003
FEWER_CALLS_AT_LEAST = 1.5
THREE = 3
"""Members of the panels that the table is ordered by."""


ONE_SAMPLE = (
    "Self-consistency of the best is no row: one answer of each model is recorded, not several."
)


def gain(found: Experiment, way: str, over: str) -> Accuracy:
    """Of one way over another, on the same questions."""
    ways = found.ways
    return paired_gain(ways[way].scores.tolist(), ways[over].scores.tolist())


def verdicts(found: Experiment) -> list[Verdict]:
    """Every target with its measurement."""
    full, adaptive = found.ways[FULL], found.ways[ADAPTIVE]
    loss = float(full.scores.mean() - adaptive.scores.mean())
    fewer = full.calls / adaptive.calls
    over_single = gain(found, ADAPTIVE, SINGLE)
    return [
        Verdict(
            loss <= LOSS_AT_MOST + 1e-9 and fewer >= FEWER_CALLS_AT_LEAST,
            f"adaptive vote: {-100 * loss:+.1f} points beside the full vote with {fewer:.2f} times"
            f" fewer calls (targets: at most {100 * LOSS_AT_MOST:g} below,"
            f" {FEWER_CALLS_AT_LEAST:g} times)",
        ),
        Verdict(
            over_single.low > 0,
            f"adaptive vote: {tenths(float(adaptive.scores.mean()))} %, {_points(over_single)} over"
            " the best single (target: above it)",
        ),
    ]


def weighted_line(found: Experiment) -> str:
    """Whether a router's weights help a vote, which is no target: often they do not."""
    gained = gain(found, WEIGHTED, FULL)
    sure = "" if gained.low > 0 else ": no sure gain"
    return f"vote weighted by router: {_points(gained)} beside the plain vote{sure}"


def _points(gained: Accuracy) -> str:
    return f"{100 * gained.mean:+.1f} points ({interval(gained)})"


def print_votes(
    console: Console,
    found: Experiment,
    curves: Mapping[str, Curve],
    title: str,
    categories: Sequence[CategoryRow] = (),
) -> int:
    """Print the tables and the verdicts; returns the exit code."""
    print_lines(console, found, title)
    say(console)
    print_curves(console, curves)
    say(console, ONE_SAMPLE)
    say(console)
    if categories:
        print_by_category(console, categories)
        say(console)
    say(console, f"      {weighted_line(found)}")
    return print_verdicts(console, verdicts(found))


def print_curves(console: Console, curves: Mapping[str, Curve]) -> None:
    """The plurality votes of panels of each size, the best with three members first."""
    sizes = sorted({size for curve in curves.values() for size in curve.scores})
    columns = ("plurality vote of k, right %", *(f"k = {size}" for size in sizes), "distinct of 3")
    rows = [
        [
            name,
            *(tenths(fmean(curve.scores[s])) if s in curve.scores else "" for s in sizes),
            f"{fmean(curve.distinct[THREE]):.2f}" if THREE in curve.distinct else "",
        ]
        for name, curve in sorted(curves.items(), key=_by_three)
    ]
    print_table(console, columns, rows)
    one = next(iter(curves.values()))
    any_size = next(iter(one.scores.values()))
    say(
        console,
        f"Standard error of each: about {100 * pstdev(any_size) / len(any_size) ** 0.5:.1f}.",
    )


def _by_three(entry: tuple[str, Curve]) -> tuple[float, str]:
    name, curve = entry
    return (-fmean(curve.scores.get(THREE) or [0.0]), name)


def draw(path: Path, curves: Mapping[str, Curve]) -> None:
    """Right answers against calls, a line for each way of choosing panels."""
    mpl.use("Agg")
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots()
    for name, curve in sorted(curves.items(), key=_by_three):
        means = {size: 100 * fmean(scores) for size, scores in sorted(curve.scores.items())}
        one = len(means) == 1
        axes.plot(list(means), list(means.values()), "x" if one else ".-", label=name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("calls of a question")
    axes.set_ylabel("right answers, %")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def write_json(
    path: Path,
    found: Experiment,
    curves: Mapping[str, Curve],
    categories: Sequence[CategoryRow],
    setting: dict[str, object],
) -> None:
    """Everything in the tables, with the verdicts."""
    said = [{"met": verdict.met, "text": verdict.text} for verdict in verdicts(found)]
    panels = {
        name: {str(size): fmean(scores) for size, scores in curve.scores.items()}
        for name, curve in curves.items()
    }
    more = {"panels": panels, "by_category": as_json(categories), "verdicts": said}
    write_lines(path, found, {**setting, **more})
