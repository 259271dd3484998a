"""The picture: waits and loads against throughput, for ours over the age bound."""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from evals.benchmarks.simulation.setting import Setting
from evals.benchmarks.simulation.sweep import Curve, Point

INK, QUIET, GRID = "#1f2933", "#67727f", "#e6eaef"
OTHERS = ("#c2410c", "#7c5cbf")
OURS = ("#9fd8d2", "#4fb3ad", "#12807f", "#0a4a4f")
"""By age bound: the longer, the darker."""
WAITS_S = (0.3, 120.0)
"""What the panels of waits show; an overloaded policy leaves them at the top."""

Measure = Callable[[Point], float]


def draw(path: Path, setting: Setting, curves: Sequence[Curve]) -> None:
    """Write the picture, as SVG or PNG by the file's suffix."""
    figure = Figure(figsize=(14, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    most, longest, loads = figure.subplots(1, 3)
    _panel(most, "Seconds that 95 % wait at most", curves, lambda point: point.wait_p95_s)
    _panel(longest, "Longest wait, seconds", curves, lambda point: point.wait_max_s)
    _panel(loads, "Loads per 1000 requests", curves, lambda point: point.loads_per_1000)
    for axes in (most, longest):
        axes.set_ylim(*WAITS_S)
    figure.suptitle(_title(setting), x=0.008, ha="left", color=INK, fontsize=14)
    handles, labels = most.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=6, frameon=False, labelcolor=INK
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=160)


def _title(setting: Setting) -> str:
    machine = setting.machine
    return f"{setting.experts} experts on {machine.slots} slots that fit {machine.slot_gb:g} each"


def _panel(axes: Axes, title: str, curves: Sequence[Curve], measure: Measure) -> None:
    _dress(axes)
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    for curve, colour in zip(curves, _colours(curves), strict=True):
        places = [point.throughput for point in curve.points]
        heights = [measure(point) for point in curve.points]
        axes.plot(places, heights, "-o", color=colour, lw=2, markersize=4.5, label=curve.name)
    axes.set_xlim(left=0)


def _dress(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    axes.tick_params(colors=QUIET, labelcolor=INK, length=0)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("requests answered per second", color=INK)


def _colours(curves: Sequence[Curve]) -> list[str]:
    others, ours = iter(OTHERS), iter(OURS)
    return [next(others if curve.age_bound_s is None else ours) for curve in curves]
