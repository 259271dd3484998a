"""What is printed: the frontier, what was chosen, the experts' worth, and the lines to paste."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from evals.compose.answers.matrix import Matrix
from evals.compose.bounds import Bounds
from evals.compose.experiment import Drop, Judged, Result
from evals.compose.report.paste import text
from evals.reporting.table import interval, print_table, say, tenths

COLUMNS = ("composition", "right %", "95 % interval", "gain", "95 % interval", "sure %")
COSTS = ("calls", "price", "s in run", "GB")


@dataclass(frozen=True, eq=False)
class Printed:
    """All that a report says."""

    source: str
    matrix: Matrix
    bounds: Bounds
    result: Result
    parts: int
    worth: float
    """Share of right answers that an expert must be able to bring."""
    pasted: dict[str, Any]
    outcomes: Path
    written: tuple[Path, ...]


def print_all(console: Console, printed: Printed) -> int:
    """Print everything; the exit code is always 0: that nothing beats one expert is a finding."""
    matrix, result = printed.matrix, printed.result
    dropped = f" ({matrix.left_out} that not all answered are left out)" if matrix.left_out else ""
    say(
        console,
        f"{printed.source}: {len(matrix.experts)} experts, {len(matrix.queries)} questions"
        f"{dropped}; {result.tried} compositions tried.",
    )
    say(
        console,
        f"Chosen on {result.chosen_on} questions, by cross-validation; all figures are those of"
        f" the other {result.reported_on}. Price in {matrix.unit}. `gain` is over"
        f" {result.single.selected.composition}, the best single expert on those"
        f" {result.reported_on}; `s in run` are seconds under the load of the run that asked.",
    )
    say(console)
    _print_points(console, result)
    say(console)
    for line in verdict(printed):
        say(console, line)
    say(console)
    _print_drops(console, result.drops, printed.worth)
    say(console)
    for line in _pasting(printed):
        say(console, line)
    for path in printed.written:
        say(console, f"wrote {path}")
    return 0


def verdict(printed: Printed) -> list[str]:
    """What was chosen, how good the search is, and how much it flatters itself."""
    result, bounds = printed.result, printed.bounds
    limits = f" within {bounds}" if bounds.named else ""
    gain = result.overall_gain
    rival = (
        "the best single expert that each search would have taken"
        if result.overall_single is None
        else f"{result.overall_single}, the best single expert on all questions"
    )
    return [
        f"Chosen{limits}: {result.chosen.selected.composition}",
        *_against_single(result),
        f"What a search chooses{limits}, over the reports of {printed.parts} searches:"
        f" {tenths(result.overall.mean)} % ({interval(result.overall)}) at"
        f" {result.overall_calls:.2f} calls, {_points(gain.mean)}"
        f" ({_range(gain.low, gain.high)}) over {rival}.",
        f"Optimism of the search: {_points(result.optimism)} (standard error"
        f" {100 * result.optimism_error:.1f}): what it chooses looks so much better where it is"
        " chosen.",
    ]


def _against_single(result: Result) -> list[str]:
    """Who the best single expert is on which questions, and what is gained over it."""
    chosen, single, picked = result.chosen, result.single, result.picked
    opponent, gain = single.selected.composition, chosen.gain
    lines = []
    if _same(chosen, picked):
        lines.append(
            f"No composition was found to be better than {picked.selected.composition} alone."
        )
    if not _same(chosen, single):
        lines.append(
            f"On the {result.reported_on} questions of the report {opponent} is the best single"
            f" expert ({tenths(single.accuracy.mean)} %); over it, the gain is"
            f" {_points(gain.mean)} ({_range(gain.low, gain.high)}); {_sure(gain.sure)} % sure that"
            " there is one. It is chosen by the report, so the gain is too small rather than too"
            " large."
        )
    if not _same(single, picked):
        lines.append(
            f"On the {result.chosen_on} questions that chose, {picked.selected.composition} was the"
            f" best single expert; of the report it has {tenths(picked.accuracy.mean)} % right. No"
            " gain is counted over it."
        )
    return lines


def verdict_on(drop: Drop, worth: float) -> str:
    """Whether an expert is worth the memory that it takes, in words.

    It is not where it surely brings less than `worth`, a share of right answers.
    """
    if drop.loss is None:
        return "needed to keep the bounds" if drop.instead is None else "never asked"
    if drop.loss.low > 0:
        return "needed"
    return "not worth its memory" if drop.loss.high < worth else "not sure"


def _print_points(console: Console, result: Result) -> None:
    rows = list(result.points)
    for one in (result.single, result.picked, result.chosen):
        if all(one.selected.composition != row.selected.composition for row in rows):
            rows.append(one)
    rows.sort(key=lambda one: (np.nan_to_num(one.reported.price), one.reported.calls))
    bold = next(n for n, row in enumerate(rows) if _same(row, result.chosen))
    cells = [_cells(row, alone=_same(row, result.single)) for row in rows]
    print_table(console, (*COLUMNS, *COSTS), cells, bold=bold)


def _same(one: Judged, other: Judged) -> bool:
    return one.selected.composition == other.selected.composition


def _cells(one: Judged, *, alone: bool) -> tuple[str, ...]:
    gained = ("-", "-", "-")
    if not alone:
        gain = one.gain
        gained = (f"{100 * gain.mean:+.1f}", _range(gain.low, gain.high), _sure(gain.sure))
    costs = one.reported
    return (
        str(one.selected.composition),
        tenths(one.accuracy.mean),
        interval(one.accuracy),
        *gained,
        f"{costs.calls:.2f}",
        _number(costs.price),
        _number(costs.seconds),
        _number(one.selected.memory_gb),
    )


def _print_drops(console: Console, drops: Sequence[Drop], worth: float) -> None:
    say(
        console,
        "What the best composition within the bounds loses without one expert (without two of them"
        " it may lose more):",
    )
    rows = []
    for one in sorted(drops, key=lambda one: one.loss.mean if one.loss else 0.0):
        lost = ("-", "-")
        if one.loss is not None:
            lost = (f"{100 * one.loss.mean:+.1f}", _range(one.loss.low, one.loss.high))
        rows.append((one.expert, _number(one.memory_gb), *lost, verdict_on(one, worth)))
    print_table(console, ("expert", "GB", "lost", "95 % interval", ""), rows)


def _pasting(printed: Printed) -> list[str]:
    names = list(printed.pasted["compositions"])
    lines = ["For the pool's file:", "", text(printed.pasted).rstrip(), ""]
    if "outcomes" in next(iter(printed.pasted["routers"].values())):
        there = printed.outcomes in printed.written
        lines.append(
            f"The router reads {printed.outcomes}"
            f"{'' if there else ', which `--outcomes FILE` writes'}; experts that it does not"
            " know are never asked."
        )
    if printed.matrix.answer == "auto":
        lines.append("Votes read answers by `auto`: name the kind where all questions have one.")
    if len(names) > 1:
        models = ",".join([*names, str(printed.result.single.selected.composition)])
        tasks = " ".join(printed.matrix.tasks) or "TASK"
        lines += [
            "",
            f"{' and '.join(names[1:])}: new text is needed, which cannot be replayed. To ask:",
            f"coterie eval run {tasks} -c POOL.yaml --models {models} --out RUN",
        ]
    return lines


def _points(value: float) -> str:
    return f"{100 * value:+.1f} points"


def _range(low: float, high: float) -> str:
    return f"{100 * low:.1f} - {100 * high:.1f}"


def _sure(share: float) -> str:
    """Percent; nothing is quite sure."""
    return f"{min(max(100 * share, 0.1), 99.9):.1f}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
