"""What the benchmark of batches found, in a table and in verdicts against the targets."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from evals.benchmarks.batches.bare import Bare
from evals.benchmarks.batches.large import Large
from evals.benchmarks.batches.served import Served
from evals.reporting.table import print_table, say
from evals.reporting.verdicts import Verdict, print_verdicts

MOST_MB = 300.0
FLAT_MB = 40.0
"""What the last third may have more than the first, or a large file more than nothing.

Less than the lines take.
"""
THROUGHPUT_AT_LEAST = 0.9
LARGE_WITHIN_S = 30.0
BARE_RUNS = 2
"""Between two runs of the gateway: what the machine loses of its speed meanwhile, both lose."""
OFF_BY = 0.3
"""What a prediction may be off by, as a part of the real time, once costs are known."""


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
    """Everything that was measured: by turns, since a machine is not as fast all the time."""

    experts: int
    stages: int
    """Calls that wait for one another: a panel's answers wait for nobody."""
    alone: tuple[Served, ...]
    """Each by a gateway that has just started; all but the first one know the costs."""
    beside: Served
    """The same with live requests."""
    bare: tuple[Bare, ...]
    """Two between each of these and the next."""
    live: Live
    large: Large

    @property
    def ratio(self) -> float:
        """The gateway's throughput as a part of the engines' own, of all runs together."""
        bare_s = statistics.mean(one.seconds for one in self.bare)
        return bare_s / statistics.mean(one.seconds for one in self.alone)


def verdicts(bench: BatchBench) -> list[Verdict]:
    """Every target with its measurement."""
    loads = [sum(one.loads.values()) for one in bench.alone]
    most = max(max(one.loads.values()) for one in bench.alone)
    predicted = [one.forecast["predicted"]["loads"] for one in bench.alone]
    live = bench.live
    failed = live.failed + sum(one.failed for one in (*bench.alone, bench.beside))
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
            f"{_and(loads)} loads, of which {_and(predicted)} were predicted (target: all, and no"
            " more)",
        ),
        _prediction(bench.alone[-1]),
        Verdict(
            live.p99_s <= live.bound_s,
            f"of {live.asked} live requests meanwhile, 99 % waited at most {live.p99_s:.1f} s"
            f" (target: their age bound, {live.bound_s:g} s)",
        ),
        Verdict(failed == 0, f"{failed} requests failed (target: none)"),
        *_large(bench.large),
    ]


def _large(large: Large) -> list[Verdict]:
    what, grown = f"{large.lines} lines of {large.mb:.0f} MB", large.most_mb - large.idle_mb
    return [
        Verdict(
            large.seconds <= LARGE_WITHIN_S,
            f"{what} were accepted, checked and listed in {large.seconds:.1f} s (target: within"
            f" {LARGE_WITHIN_S:g} s)",
        ),
        Verdict(
            grown <= FLAT_MB,
            f"they took {grown:.0f} MB of the gateway's memory (target: at most {FLAT_MB:g})",
        ),
    ]


def _prediction(known: Served) -> Verdict:
    predicted, real = (known.forecast[which]["seconds"] for which in ("predicted", "real"))
    return Verdict(
        abs(predicted - real) <= OFF_BY * real,
        f"costs known, {predicted:.1f} s were predicted of {real:.1f} s (target: within"
        f" {OFF_BY:.0%})",
    )


def _and(counts: Sequence[int]) -> str:
    *before, last = map(str, counts)
    return f"{', '.join(before)} and {last}"


def _memory(bench: BatchBench) -> list[Verdict]:
    every = [one.memory for one in (*bench.alone, bench.beside)]
    above = max(memory.most - memory.idle for memory in every)
    grown = max(memory.last_third - memory.first_third for memory in every)
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
    first, bare = bench.alone[0], bench.bare
    say(console)
    say(
        console,
        f"{first.lines} lines for {bench.experts} experts, a router and a panel:"
        f" {bare[0].calls} calls.",
    )
    rows = [_row("the gateway", first)]
    for number, again in enumerate(bench.alone[1:]):
        between = bare[BARE_RUNS * number : BARE_RUNS * (number + 1)]
        rows += [_bare_row(one, first.lines) for one in between]
        rows.append(_row("the gateway again", again))
    rows.append(_row("beside live requests", bench.beside))
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


def _bare_row(bare: Bare, lines: int) -> Sequence[str]:
    return ("bare engines", f"{bare.seconds:.1f}", f"{lines / bare.seconds:.0f}", *[""] * 5)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
