"""What the comparison found: a table, and verdicts against the targets."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from evals.benchmarks.gateways.comparison import Comparison, Load
from evals.benchmarks.gateways.kinds import (
    BARE,
    LITELLM,
    OURS,
    SMG,
    TWO_OF_OURS,
    VLLM_ROUTER,
)
from evals.reporting.table import print_table, say
from evals.reporting.verdicts import Verdict, print_verdicts

ADDED_MS_AT_MOST = 1.0
IDLE, BUSY, CROWDED = 1, 32, 256
"""Requests in flight that the targets are about."""
TIMES_AT_LEAST: Mapping[str, float] = {LITELLM: 20.0, SMG: 0.75}
"""Our requests a second as a multiple of another's."""
TWO_AT_LEAST = 1.6
"""Requests a second of two workers as a multiple of one's."""
FASTER_THAN = (SMG, VLLM_ROUTER)
MEMORY_MB_AT_MOST = 200.0


def verdicts(found: Comparison) -> list[Verdict]:
    """Every target that the loads and gateways of this run can tell something of."""
    memory = found.memory_mb[OURS]
    return [
        *_added(found),
        *_rates(found),
        *_workers(found),
        *_tails(found),
        Verdict(
            memory <= MEMORY_MB_AT_MOST,
            f"memory of the gateway: {memory:.0f} MB (target: at most {MEMORY_MB_AT_MOST:.0f})",
        ),
    ]


def _added(found: Comparison) -> Iterator[Verdict]:
    for load in found.samples:
        if load.in_flight == IDLE:
            added = found.added_ms(load, OURS, 50)
            yield Verdict(
                added <= ADDED_MS_AT_MOST,
                f"{load.name}: {added:.2f} ms added, median"
                f" (target: at most {ADDED_MS_AT_MOST:g} ms on an idle machine)",
            )


def _rates(found: Comparison) -> Iterator[Verdict]:
    for load, samples in found.samples.items():
        for other, least in TIMES_AT_LEAST.items():
            if load.in_flight != BUSY or other not in samples:
                continue
            times = found.paired(load, OURS, other, _rate)
            cost = found.paired(load, other, OURS, lambda a, b: a.cpu_ms / b.cpu_ms)
            yield Verdict(
                times >= least,
                f"{load.name}: {times:.2f} times the requests/s of {other}"
                f" (target: at least {least:g}); per second of processor time {cost:.2f} times",
            )


def _workers(found: Comparison) -> Iterator[Verdict]:
    for load, samples in found.samples.items():
        if load.in_flight == BUSY and TWO_OF_OURS in samples:
            times = found.paired(load, TWO_OF_OURS, OURS, _rate)
            yield Verdict(
                times >= TWO_AT_LEAST,
                f"{load.name}: {times:.2f} times the requests/s with two workers (target: at least"
                f" {TWO_AT_LEAST:g} where two cores are free for them)",
            )


def _rate(ours: Any, other: Any) -> float:
    return float(ours.requests_per_s / other.requests_per_s) if other.requests_per_s else 0.0


def _tails(found: Comparison) -> Iterator[Verdict]:
    load = Load(stream=True, in_flight=CROWDED)
    for other in FASTER_THAN:
        if other in found.samples.get(load, {}):
            ours, theirs = (
                found.median(load, name, lambda sample: sample.total_ms[-1])
                for name in (OURS, other)
            )
            yield Verdict(
                ours < theirs,
                f"{load.name}: 99 of 100 end within {ours:.0f} ms, through {other} within"
                f" {theirs:.0f} ms (target: below)",
            )


def print_comparison(console: Console, found: Comparison) -> int:
    """Print the table and the verdicts; returns the exit code."""
    say(console)
    say(console, "Medians of the rounds. Added: milliseconds to the first event, or to the whole")
    say(console, "answer, more than without a gateway. End: milliseconds to the end of the answer.")
    say(console, "CPU: milliseconds of processor time of the gateway's processes per request.")
    titles = ["load", "through", "requests/s", "added p50", "p95", "p99"]
    rows = [_row(found, load, name) for load, names in found.samples.items() for name in names]
    print_table(console, [*titles, "end p50", "p99", "CPU", "failed"], rows)
    say(console)
    for name, memory in found.memory_mb.items():
        say(console, f"memory of {name}: {memory:.0f} MB")
    say(console)
    return print_verdicts(console, verdicts(found))


def _row(found: Comparison, load: Load, name: str) -> list[str]:
    added = ["-"] * 3
    if name != BARE:
        added = [f"{found.added_ms(load, name, one):.2f}" for one in (50, 95, 99)]
    return [
        load.name,
        name,
        f"{found.median(load, name, lambda sample: sample.requests_per_s):.0f}",
        *added,
        f"{found.median(load, name, lambda sample: sample.total_ms[0]):.1f}",
        f"{found.median(load, name, lambda sample: sample.total_ms[-1]):.1f}",
        f"{found.median(load, name, lambda sample: sample.cpu_ms):.3f}",
        str(sum(sample.failed for sample in found.samples[load][name])),
    ]


def write_json(path: Path, found: Comparison) -> None:
    """Every sample of every round, with the verdicts."""
    tree = {
        "samples": [
            {**asdict(load), "through": name, "rounds": [asdict(sample) for sample in samples]}
            for load, names in found.samples.items()
            for name, samples in names.items()
        ],
        "memory_mb": dict(found.memory_mb),
        "verdicts": [asdict(verdict) for verdict in verdicts(found)],
    }
    path.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
