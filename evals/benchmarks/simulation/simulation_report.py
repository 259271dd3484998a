"""What the simulation found: the table, the two figures, and all of it as JSON."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from evals.benchmarks.simulation.runs import Result, Study, Waits
from evals.benchmarks.simulation.setting import Setting
from evals.reporting.table import print_table, say

FEWER_LOADS_AT_LEAST = 0.80
BELADY_AT_MOST = 1.25
OURS = 2
"""Its place among the results."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One comparison, and whether it meets its target; None where the target does not apply."""

    met: bool | None
    text: str


def figures(study: Study) -> list[Figure]:
    """Ours against first come first served, and against Belady."""
    first_come, _, ours, belady = study.results
    fewer = 1 - ours.loads / first_come.loads
    slower = ours.throughput < 0.999 * first_come.throughput
    ratio = ours.loads / belady.loads
    applies = study.setting.comparable
    return [
        Figure(
            fewer >= FEWER_LOADS_AT_LEAST and not slower if applies else None,
            f"{100 * fewer:.1f} % fewer loads than first come + LRU at {ours.throughput:.1f}"
            f" against {first_come.throughput:.1f} requests/s"
            f" (target: at least {100 * FEWER_LOADS_AT_LEAST:.0f} % at no lower throughput)",
        ),
        Figure(
            ratio <= BELADY_AT_MOST if applies else None,
            f"{ratio:.2f} times Belady's loads at the same age bound"
            f" (target: at most {BELADY_AT_MOST:g})",
        ),
    ]


def print_study(console: Console, study: Study) -> int:
    """Print what was simulated, the table and the figures; returns the exit code."""
    say(console)
    for line in about(study.setting):
        say(console, line)
    say(console)
    columns = ["policy", "loads", "per 1000", "requests/s", "loading %", "answer s"]
    waits = ["wait p50", "p95", "p99", "max"]
    kinds = list(study.results[0].waits)
    rows = [[*_row(r), *_wait_cells(r.waits[kinds[0]])] for r in study.results]
    print_table(console, [*columns, *waits], rows, bold=OURS)
    for kind in kinds[1:]:
        say(console)
        rows = [[r.name, *_wait_cells(r.waits[kind])] for r in study.results]
        print_table(console, [f"class {kind}", *waits], rows, bold=OURS)
    say(console)
    found = figures(study)
    for figure in found:
        mark = "    " if figure.met is None else "ok  " if figure.met else "MISS"
        say(console, f"{mark}  {figure.text}")
    if not study.setting.comparable:
        say(console, "The targets are for 150 experts, Zipf 1.0, on 8 slots of 8 that are busy.")
    return 1 if any(figure.met is False for figure in found) else 0


def write_json(path: Path, study: Study) -> None:
    """The setting, every result, the curves and the figures; infinite becomes null."""
    tree = {**asdict(study), "figures": [asdict(figure) for figure in figures(study)]}
    path.write_text(json.dumps(finite(tree), indent=2) + "\n", encoding="utf-8")


def about(setting: Setting) -> list[str]:
    """What is simulated, for people."""
    machine, bound_s = setting.machine, setting.age_bounds_s[0]
    load = setting.rate / machine.capacity
    rate = (
        "all at once"
        if math.isinf(setting.rate)
        else f"{setting.rate:.0f} a second, {100 * load:.0f} % of what the slots could serve"
    )
    return [
        f"{setting.experts} experts on {machine.slots} slots that fit {machine.slot_gb:g} each;"
        f" {setting.requests} requests, {rate}.",
        f"Age bound {bound_s:g} s; a load takes {machine.load_s:g} s, a later one"
        f" {machine.wake_s:g} s. Waits are seconds from arrival to admission.",
    ]


def _row(result: Result) -> list[str]:
    return [
        result.name,
        str(result.loads),
        f"{result.loads_per_1000:.1f}",
        f"{result.throughput:.1f}",
        f"{100 * result.loading_share:.0f}",
        _seconds(result.answer_mean_s),
    ]


def _wait_cells(waits: Waits) -> list[str]:
    return [_seconds(value) for value in (waits.p50, waits.p95, waits.p99, waits.max)]


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def finite(tree: object) -> object:
    """JSON has no infinity."""
    if isinstance(tree, dict):
        return {key: finite(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [finite(value) for value in tree]
    return None if tree in (math.inf, -math.inf) else tree
