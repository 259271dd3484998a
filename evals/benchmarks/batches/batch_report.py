"""What the benchmark of batches found, in a table and in verdicts against the targets."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from evals.benchmarks.batches.bare import Bare
from evals.benchmarks.batches.served import Served
from evals.reporting.table import print_table, say
from evals.reporting.verdicts import Verdict, print_verdicts

MOST_MB = 300.0
FLAT_MB = 40.0
"""What the last third may have more than the first: less than the lines of the batch take."""
THROUGHPUT_AT_LEAST = 0.9


@dataclass(frozen=True, slots=True)
class Live:
    """Requests that came while a batch ran; waits are seconds before an expert began."""

    asked: int
    failed: int
    bound_s: float
    waits_s: tuple[float, ...]

    @property
    def p99_s(self) -> float:
        """The wait that one in a hundred exceeds."""
        return sorted(self.waits_s)[math.ceil(0.99 * len(self.waits_s)) - 1]


@dataclass(frozen=True, slots=True)
class BatchBench:
    """Everything that was measured; the gateway served one file twice."""

    experts: int
    stages: int
    """Calls that wait for one another: a panel's answers wait for nobody."""
    alone: Served
    beside: Served
    """The same with live requests."""
    bare: Bare
    live: Live

    @property
    def ratio(self) -> float:
        """The gateway's throughput as a part of the engines' own."""
        return self.bare.seconds / self.alone.seconds


def verdicts(bench: BatchBench) -> list[Verdict]:
    """Every target with its measurement."""
    loads, most = sum(bench.alone.loads.values()), max(bench.alone.loads.values())
    predicted = bench.alone.forecast["predicted"]["loads"]
    live = bench.live
    failed = bench.alone.failed + bench.beside.failed + live.failed
    return [
        *_memory(bench),
        Verdict(
            bench.ratio >= THROUGHPUT_AT_LEAST,
            f"{bench.ratio:.2f} of the engines' own throughput in the best order (target: at least"
            f" {THROUGHPUT_AT_LEAST:g})",
        ),
        Verdict(
            most <= bench.stages,
            f"no engine was loaded more than {_times(most)} (target: once for each of"
            f" {bench.stages} stages)",
        ),
        Verdict(
            predicted == loads,
            f"{loads} loads, of which {predicted} were predicted (target: all, and no more)",
        ),
        Verdict(
            live.p99_s <= live.bound_s,
            f"of {live.asked} live requests meanwhile, 99 % waited at most {live.p99_s:.1f} s"
            f" (target: their age bound, {live.bound_s:g} s)",
        ),
        Verdict(failed == 0, f"{failed} requests failed (target: none)"),
    ]


def _memory(bench: BatchBench) -> list[Verdict]:
    both = (bench.alone.memory, bench.beside.memory)
    above = max(memory.most - memory.idle for memory in both)
    grown = max(memory.last_third - memory.first_third for memory in both)
    return [
        Verdict(
            above <= MOST_MB,
            f"the gateway took {above:.0f} MB more than idle (target: at most {MOST_MB:g})",
        ),
        Verdict(
            grown <= FLAT_MB,
            f"its memory was {grown:+.0f} MB in the last third beside the first (target: at most"
            f" {FLAT_MB:+g})",
        ),
    ]


def print_batches(console: Console, bench: BatchBench) -> int:
    """Print the table and the verdicts; returns the exit code."""
    alone, beside, bare = bench.alone, bench.beside, bench.bare
    say(console)
    say(
        console,
        f"{alone.lines} lines for {bench.experts} experts, a router and a panel:"
        f" {bare.calls} calls.",
    )
    rows = [
        _row("the gateway", alone),
        _row("beside live requests", beside),
        (
            "bare engines",
            f"{bare.seconds:.1f}",
            f"{alone.lines / bare.seconds:.0f}",
            *[""] * 5,
        ),
    ]
    columns = (
        "",
        "seconds",
        "lines/s",
        "predicted s",
        "loads",
        "idle MB",
        "first third",
        "last third",
    )
    print_table(console, columns, rows, bold=0)
    say(console)
    return print_verdicts(console, verdicts(bench))


def write_json(path: Path, bench: BatchBench) -> None:
    """Every measurement, with the verdicts."""
    tree = {**asdict(bench), "verdicts": [asdict(verdict) for verdict in verdicts(bench)]}
    path.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")


def _row(name: str, served: Served) -> Sequence[str]:
    memory = served.memory
    return (
        name,
        f"{served.seconds:.1f}",
        f"{served.lines_per_s:.0f}",
        f"{served.forecast['predicted']['seconds']:.1f}",
        str(sum(served.loads.values())),
        f"{memory.idle:.0f}",
        f"{memory.first_third:.0f}",
        f"{memory.last_third:.0f}",
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
