"""What the swapping benchmark found, in a table and in verdicts against the targets."""

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from evals.benchmarks.swap.runs import BatchRun, Hostile, Starts
from evals.reporting.table import print_table, say
from evals.reporting.verdicts import Verdict, print_verdicts

WARM_AT_MOST = 0.1
FASTER_THAN_PER_REQUEST = 7.0
FASTER_THAN_FIRST_COME = 4.0


@dataclass(frozen=True, slots=True)
class SwapBench:
    """Everything that was measured, in one run."""

    experts: int
    starts: Starts
    grouped: BatchRun
    first_come: BatchRun
    per_request: BatchRun
    hostile: Hostile


def verdicts(bench: SwapBench) -> list[Verdict]:
    """Every target with its measurement."""
    starts, ours, hostile = bench.starts, bench.grouped, bench.hostile
    failures = sum(r.failures for r in (ours, bench.first_come, bench.per_request))
    per_request = bench.per_request.seconds / ours.seconds
    first_come = bench.first_come.seconds / ours.seconds
    longest = max(hostile.waits_s)
    return [
        Verdict(
            starts.ratio <= WARM_AT_MOST,
            f"a warm load takes {statistics.median(starts.warm_s):.2f} s to the first token, a cold"
            f" start {statistics.median(starts.cold_s):.1f} s: {100 * starts.ratio:.1f} %"
            f" (target: at most {100 * WARM_AT_MOST:.0f} %)",
        ),
        Verdict(
            ours.loads <= bench.experts,
            f"{ours.loads} loads for {ours.requests} requests over {bench.experts} experts"
            f" (target: at most {bench.experts})",
        ),
        Verdict(
            per_request >= FASTER_THAN_PER_REQUEST,
            f"{per_request:.1f} times faster than a load per request"
            f" (target: at least {FASTER_THAN_PER_REQUEST:g})",
        ),
        Verdict(
            first_come >= FASTER_THAN_FIRST_COME,
            f"{first_come:.1f} times faster than first come + LRU"
            f" (target: at least {FASTER_THAN_FIRST_COME:g})",
        ),
        Verdict(
            longest <= hostile.allowed_s and not hostile.failures,
            f"beside a hostile stream nobody waited longer than {longest:.1f} s (target: age bound"
            f" {hostile.bound_s:g} s + load {hostile.load_s:.1f} s + drain {hostile.drain_s:.1f} s"
            f" = {hostile.allowed_s:.1f} s)",
        ),
        Verdict(failures == 0, f"{failures} requests of the batch failed (target: none)"),
    ]


def print_swap(console: Console, bench: SwapBench) -> int:
    """Print the table and the verdicts; returns the exit code."""
    ours = bench.grouped
    say(console)
    say(
        console,
        f"{bench.experts} experts, one slot that fits two, {ours.requests} requests in random"
        " order.",
    )
    print_table(
        console,
        ["served", "loads", "seconds", "requests/s", "times ours"],
        [
            [
                run.name,
                f"{run.loads}",
                f"{run.seconds:.1f}",
                f"{run.requests / run.seconds:.1f}",
                f"{run.seconds / ours.seconds:.1f}",
            ]
            for run in (ours, bench.first_come, bench.per_request)
        ],
    )
    hostile = bench.hostile
    say(console)
    say(
        console,
        f"Hostile stream: {hostile.background} requests to one expert, {bench.experts - 1} others"
        f" asked once; median wait of all {statistics.median(hostile.waits_s):.2f} s.",
    )
    say(console)
    return print_verdicts(console, verdicts(bench))


def write_json(path: Path, bench: SwapBench) -> None:
    """Every measurement, with the verdicts."""
    tree = {**asdict(bench), "verdicts": [asdict(verdict) for verdict in verdicts(bench)]}
    path.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
