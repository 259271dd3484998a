"""The picture: how long calls wait, and what slots do, by their number."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from evals.benchmarks.simulation.picture import GRID, INK, OTHERS, OURS, QUIET
from evals.benchmarks.sizing.search import Row
from evals.benchmarks.sizing.sizing_report import Sizing

SHORTEST_S = 0.01
"""Where the axis of the waits begins: shorter ones are none."""


def draw(path: Path, found: Sizing) -> None:
    """Write the picture, as SVG or PNG by the file's suffix."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    waits, shares = figure.subplots(1, 2)
    rows = [row for row in found.answer.rows if row.waits]
    _waits(waits, found, rows)
    _shares(shares, found)
    for axes in (waits, shares):
        _dress(axes, found)
    figure.suptitle(_title(found), x=0.008, ha="left", color=INK, fontsize=13)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=160)


def _title(found: Sizing) -> str:
    if found.answer.enough:
        return f"{found.traffic.source}: {found.devices(found.answer.enough)}"
    return f"{found.traffic.source}: more than {found.devices(found.answer.rows[-1].slots)}"


def _waits(axes: Axes, found: Sizing, rows: Sequence[Row]) -> None:
    axes.set_title("Seconds that calls wait", loc="left", color=INK, fontsize=11)
    colours = (*OURS[2:], *OTHERS)
    for number, (kind, wished_s) in enumerate(found.wish.p95_s.items()):
        colour = colours[number % len(colours)]
        told = [row for row in rows if kind in row.waits]
        places = [_devices(found, row) for row in told]
        p95 = [max(row.waits[kind].p95, SHORTEST_S) for row in told]
        p50 = [max(row.waits[kind].p50, SHORTEST_S) for row in told]
        axes.plot(places, p95, "-o", color=colour, lw=2, label=f"{kind}, 95 % at most")
        axes.plot(places, p50, "--o", color=colour, lw=1.2, markersize=3, label=f"{kind}, half")
        axes.axhline(wished_s, color=colour, lw=1, ls=":")
        axes.annotate(
            f"wished: {wished_s:g} s",
            (1.0, wished_s),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            color=colour,
            fontsize=9,
        )
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if rows:
        axes.legend(frameon=False, labelcolor=INK, fontsize=9)


def _shares(axes: Axes, found: Sizing) -> None:
    axes.set_title("Share of their time, in per cent", loc="left", color=INK, fontsize=11)
    rows = found.answer.rows
    places = [_devices(found, row) for row in rows]
    axes.plot(places, [100 * r.computing for r in rows], "-o", color=OURS[2], label="computing")
    told = [row for row in rows if row.waits]
    axes.plot(
        [_devices(found, row) for row in told],
        [100 * row.loading for row in told],
        "-o",
        color=OTHERS[0],
        label="loading",
    )
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, labelcolor=INK, fontsize=9)


def _dress(axes: Axes, found: Sizing) -> None:
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    axes.tick_params(colors=QUIET, labelcolor=INK, length=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("GPUs" if found.pool.on_gpu else "slots", color=INK)
    if found.answer.enough:
        devices = found.answer.enough * (found.pool.device.gpus if found.pool.on_gpu else 1)
        axes.axvline(devices, color=QUIET, lw=1, alpha=0.6)


def _devices(found: Sizing, row: Row) -> int:
    return row.slots * (found.pool.device.gpus if found.pool.on_gpu else 1)
