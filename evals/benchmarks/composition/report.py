"""What maps over budgets bring, as tables, sentences and JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console

from evals.benchmarks.composition.claim import Comparison, ranges
from evals.benchmarks.composition.fallback import FallbackLine
from evals.benchmarks.composition.labels import LabelsLine
from evals.benchmarks.composition.sweep import Kind, Point
from evals.reporting.intervals import Accuracy, accuracy_of
from evals.reporting.numbers import number
from evals.reporting.table import interval, print_table, say, tenths

WORDS: Mapping[Kind, str] = {
    "total": "all experts that are kept",
    "active": "who answers, on average",
}
BUDGET = "budget"


@dataclass(frozen=True, eq=False)
class Measured:
    """Everything that one command has measured."""

    title: str
    sweeps: Mapping[Kind, tuple[Sequence[Point], Sequence[Comparison]]]
    notes: Sequence[str] = ()
    labels: Sequence[LabelsLine] = ()
    fallback: Mapping[str, Sequence[FallbackLine]] = field(default_factory=dict)


def print_measured(console: Console, measured: Measured) -> None:
    """Print all tables, and the claim under each sweep."""
    say(console, measured.title)
    for note in measured.notes:
        say(console, f"left out: {note}")
    for kind, (points, comparisons) in measured.sweeps.items():
        say(console)
        say(console, f"Parameters of {WORDS[kind]}; right answers in %.")
        say(console)
        _print_sweep(console, kind, points, comparisons)
        say(console)
        for sentence in claims(kind, comparisons):
            say(console, sentence)
    if measured.labels:
        say(console)
        _print_labels(console, measured.labels)
    for name, lines in measured.fallback.items():
        say(console)
        _print_fallback(console, name, lines)


def claims(kind: Kind, comparisons: Sequence[Comparison]) -> list[str]:
    """Under which budgets a composition beats what is no larger, and where it is best."""
    size = "total" if kind == "total" else "average active"
    found = []
    for first, last in ranges(comparisons, lambda one: one.beats_all):
        found.append(
            f"Above every single expert of that {size} size or smaller from {first.budget:g}"
            f" ({_over(first)}) to {last.budget:g} ({_over(last)})."
        )
    if not found:
        found.append(f"Above every single expert of that {size} size or smaller: nowhere.")
    lots = [
        f"{first.budget:g} to {last.budget:g}"
        for first, last in ranges(comparisons, lambda one: one.beats_lot)
    ]
    if kind == "active":
        found.append(
            "Above a lot between two single experts, with the same average size, from"
            f" {' and from '.join(lots)}."
            if lots
            else "Above a lot between two single experts, with the same average size: nowhere."
        )
    last = comparisons[-1]
    if not last.beats_all:
        found.append(f"Not so with the largest budget: {_over(last)}.")
    return found


def write_json(path: Path, measured: Measured, setting: Mapping[str, Any]) -> None:
    """Every number of the tables."""
    tree = {
        "setting": dict(setting),
        "left_out": list(measured.notes),
        "sweeps": {
            kind: [
                {**_numbers(point), "comparison": asdict(compared)}
                for point, compared in zip(points, comparisons, strict=True)
            ]
            for kind, (points, comparisons) in measured.sweeps.items()
        },
        "labels": [asdict(line) for line in measured.labels],
        "fallback": {k: [asdict(line) for line in v] for k, v in measured.fallback.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")


def _numbers(point: Point) -> dict[str, Any]:
    return {
        "budget": point.budget,
        "experts": point.experts,
        "total": point.total,
        "active": point.active,
        "accuracy": asdict(accuracy_of(point.scores)),
        "single": {"name": point.single_name, "accuracy": float(point.single.mean())},
        "by_lot": None if point.by_lot is None else float(point.by_lot.mean()),
        "informed": float(point.informed.mean()),
        "oracle": point.oracle,
    }


def _over(one: Comparison) -> str:
    return (
        f"{100 * one.gain.mean:+.1f} points over {one.rival}, {tenths(one.rival_accuracy)} %,"
        f" 95 %: {interval(one.gain)}"
    )


def _print_sweep(
    console: Console, kind: Kind, points: Sequence[Point], comparisons: Sequence[Comparison]
) -> None:
    columns = [BUDGET, "experts", "total", "active", "map", "95 % interval", "best single"]
    columns += ["beats all", *(["by lot", "over lot"] if kind == "active" else [])]
    rows = [
        [
            number(point.budget),
            f"{point.experts:.1f}",
            number(point.total),
            number(point.active),
            tenths(float(point.scores.mean())),
            interval(accuracy_of(point.scores)),
            tenths(float(point.single.mean())),
            "yes" if compared.beats_all else "no",
            *_lot(point, compared),
            tenths(float(point.informed.mean())),
            tenths(point.oracle),
        ]
        for point, compared in _changes(points, comparisons)
    ]
    print_table(console, [*columns, "knows test", "oracle"], rows)


def _lot(point: Point, compared: Comparison) -> list[str]:
    if point.by_lot is None or compared.over_lot is None:
        return []
    return [tenths(float(point.by_lot.mean())), _signed(compared.over_lot)]


def _changes(
    points: Sequence[Point], comparisons: Sequence[Comparison]
) -> list[tuple[Point, Comparison]]:
    """Without the rows in which neither the map nor the best single expert is another one."""
    pairs = list(zip(points, comparisons, strict=True))
    return pairs[:1] + [
        pair
        for (before, _), pair in pairwise(pairs)
        if (before.scores != pair[0].scores).any() or before.single_name != pair[0].single_name
    ]


def _print_labels(console: Console, lines: Sequence[LabelsLine]) -> None:
    rows = [
        [
            line.way,
            "-" if line.joined is None else tenths(line.joined),
            "-" if line.right is None else tenths(line.right),
            tenths(line.accuracy.mean),
            interval(line.accuracy),
            _signed(line.gain),
        ]
        for line in lines
    ]
    columns = ("categories", "joined %", "of them right %", "right %", "95 % interval")
    print_table(console, (*columns, "over left out"), rows)


def _print_fallback(console: Console, name: str, lines: Sequence[FallbackLine]) -> None:
    rows = [
        [
            line.way,
            tenths(line.fired),
            number(line.active),
            tenths(line.accuracy.mean),
            _signed(line.gain),
            _signed(line.chosen_well),
        ]
        for line in lines
    ]
    columns = (f"questions of {name}", "alarms %", "active", "right %", "over no fallback")
    print_table(console, (*columns, "over as many at random"), rows)


def _signed(gain: Accuracy | None) -> str:
    return "-" if gain is None else f"{100 * gain.mean:+.1f} ({interval(gain)})"
