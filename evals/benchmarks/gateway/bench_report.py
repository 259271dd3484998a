"""What the benchmark found, in tables and in verdicts against the targets."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from evals.benchmarks.gateway.bench import Bench, Pairing, Sample
from evals.reporting.table import print_table, say
from evals.reporting.verdicts import Verdict, print_verdicts

THROUGHPUT_AT_LEAST = 0.90
ADDED_FIRST_MS_AT_MOST = 5.0
ROUTE_MS_AT_MOST = 15.0
SLOT_GB_AT_MOST = 4.0


def verdicts(bench: Bench) -> list[Verdict]:
    """Every target with its measurement."""
    found = [
        Verdict(
            pairing.ratio >= THROUGHPUT_AT_LEAST,
            f"{_load(pairing)}: the gateway has {100 * pairing.ratio:.1f} % of the endpoint's"
            f" throughput (target: at least {100 * THROUGHPUT_AT_LEAST:.0f} %)",
        )
        for pairing in bench.pairings
    ]
    found.append(
        Verdict(
            bench.added_first_ms <= ADDED_FIRST_MS_AT_MOST,
            f"added time to the first token, idle: {bench.added_first_ms:.2f} ms median"
            f" (target: at most {ADDED_FIRST_MS_AT_MOST:g} ms)",
        )
    )
    if bench.route_ms is not None:
        found.append(
            Verdict(
                bench.route_ms <= ROUTE_MS_AT_MOST,
                f"kNN routing: {bench.route_ms:.1f} ms per query, median"
                f" (target: at most {ROUTE_MS_AT_MOST:g} ms)",
            )
        )
    return [*found, _memory(bench)]


def _memory(bench: Bench) -> Verdict:
    largest = max(bench.slot_memory_gb, default=0.0)
    whole = bench.residents == bench.experts
    return Verdict(
        whole and largest < SLOT_GB_AT_MOST,
        f"memory of the largest slot: {largest:.2f} GB with {bench.residents} of {bench.experts}"
        f" experts resident (target: below {SLOT_GB_AT_MOST:g} GB with all of them)",
    )


def print_bench(console: Console, bench: Bench) -> int:
    """Print the tables and the verdicts; returns the exit code."""
    say(console)
    say(console, f"Expert {bench.expert}, medians of {bench.rounds} interleaved rounds.")
    say(console, "e: its own endpoint; g: the gateway; first: milliseconds to the first token,")
    say(console, "or to the whole answer where nothing streams.")
    columns = ["load", "tokens/s e", "g", "g/e %", "requests/s e", "g"]
    print_table(
        console,
        [*columns, "first median e", "g", "first p95 e", "g"],
        [_row(pairing) for pairing in bench.pairings],
    )
    say(console)
    return print_verdicts(console, verdicts(bench))


def write_json(path: Path, bench: Bench) -> None:
    """Every sample of every round, with the ratios and the verdicts."""
    tree = {
        **asdict(bench),
        "ratios": {_load(pairing): pairing.ratio for pairing in bench.pairings},
        "verdicts": [asdict(verdict) for verdict in verdicts(bench)],
    }
    path.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")


def _load(pairing: Pairing) -> str:
    kind = "streaming" if pairing.stream else "whole answers"
    return f"{kind}, {pairing.in_flight} in flight"


def _row(pairing: Pairing) -> list[str]:
    def both(pick: Callable[[Sample], float], digits: int) -> list[str]:
        return [f"{_median(side, pick):.{digits}f}" for side in (pairing.endpoint, pairing.gateway)]

    return [
        _load(pairing),
        *both(lambda sample: sample.tokens_per_s, 0),
        f"{100 * pairing.ratio:.1f}",
        *both(lambda sample: sample.requests_per_s, 1),
        *both(lambda sample: sample.first_ms_median, 1),
        *both(lambda sample: sample.first_ms_p95, 1),
    ]


def _median(side: Sequence[Sample], pick: Callable[[Sample], float]) -> float:
    return statistics.median(pick(sample) for sample in side)
