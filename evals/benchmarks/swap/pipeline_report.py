"""What the pipeline measurement found, in a table and in verdicts."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from evals.benchmarks.swap.pipeline_runs import PipelineRun
from evals.reporting.table import print_table, say
from evals.reporting.verdicts import Verdict, print_verdicts

FASTER_THAN_PER_REQUEST = 7.0
ABOUT_THE_TIME = 1.25
"""Of the debate on all slots: what the paper's "comparable" is taken for."""


@dataclass(frozen=True, slots=True)
class PipelineBench:
    """Everything that was measured, in one run."""

    experts: int
    slots: int
    """Of the wide debate; everything else ran on one."""
    loads: Mapping[str, Mapping[str, int]]
    """Stage -> expert -> loads of `ours`."""
    ours: PipelineRun
    in_time: PipelineRun
    """The same, but nothing is loaded before it is asked."""
    single: PipelineRun
    """A few requests, one after the other, with loads of their own."""
    debate: PipelineRun
    wide: PipelineRun

    @property
    def runs(self) -> tuple[PipelineRun, ...]:
        """All of them, ours first."""
        return (self.ours, self.in_time, self.single, self.debate, self.wide)

    @property
    def against_shared(self) -> float:
        """Ours on one slot, as a multiple of the debate on several that share the compute."""
        return 1 / self.times_ours(self.wide)

    @property
    def against_scaled(self) -> float:
        """The same, had every slot the compute that one has, and the debate used all of it."""
        return self.slots / self.times_ours(self.debate)

    def times_ours(self, run: PipelineRun) -> float:
        """How much longer a request took, on the average."""
        return run.seconds_each / self.ours.seconds_each


def verdicts(bench: PipelineBench) -> list[Verdict]:
    """Every target with its measurement."""
    more = [
        f"{expert} {count} times for the {stage}"
        for stage, counts in bench.loads.items()
        for expert, count in counts.items()
        if count > 1
    ]
    stages = ", ".join(f"{sum(counts.values())} for the {s}" for s, counts in bench.loads.items())
    single = bench.times_ours(bench.single)
    failures = sum(run.failures for run in bench.runs)
    return [
        Verdict(
            not more,
            f"{bench.ours.loads} loads for {bench.ours.requests} requests: {stages}"
            f" (target: none more than once for an expert and stage{_list(more)})",
        ),
        Verdict(
            single >= FASTER_THAN_PER_REQUEST,
            f"{single:.1f} times faster than a load per request"
            f" (target: at least {FASTER_THAN_PER_REQUEST:g})",
        ),
        Verdict(
            bench.against_shared <= ABOUT_THE_TIME,
            f"the pipeline on one slot takes {bench.against_shared:.2f} times as long as the debate"
            f" on {bench.slots} that share its compute (target: at most {ABOUT_THE_TIME:g})",
        ),
        Verdict(failures == 0, f"{failures} requests failed (target: none)"),
    ]


def print_pipeline(console: Console, bench: PipelineBench) -> int:
    """Print the table and the verdicts; returns the exit code."""
    ours = bench.ours
    say(console)
    say(
        console,
        f"{bench.experts} experts, a slot fits two; {ours.requests} requests at once: a tagger's"
        " keywords, a panel of three, a lead that merges.",
    )
    print_table(
        console,
        ["served", "requests", "loads", "seconds", "requests/s", "median s", "times ours"],
        [_row(run, bench.times_ours(run)) for run in bench.runs],
    )
    say(console)
    say(
        console,
        f"A load per request was measured with {bench.single.requests} requests; times are by"
        f" request. {bench.slots} slots share this machine's cores: they bring"
        f" {bench.slots} times the memory, not {bench.slots} times the compute.",
    )
    say(console, _claim(bench))
    say(console)
    return print_verdicts(console, verdicts(bench))


def write_json(path: Path, bench: PipelineBench) -> None:
    """Every measurement, with the verdicts."""
    tree = {**asdict(bench), "verdicts": [asdict(verdict) for verdict in verdicts(bench)]}
    path.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")


def _claim(bench: PipelineBench) -> str:
    """What this says of the paper's claim, which is about slots with compute of their own."""
    shared, scaled = bench.against_shared, bench.against_scaled
    if scaled <= ABOUT_THE_TIME:
        found = "reproduced, even if their compute were used to the full"
    elif shared <= ABOUT_THE_TIME:
        found = "reproduced for their memory, not shown for their compute"
    else:
        found = "refuted"
    return (
        f"Paper: {bench.experts} experts on one slot take about as long as a debate on"
        f" {bench.slots}. Here: {shared:.2f} times as long with the memory of {bench.slots},"
        f" {scaled:.2f} times as long if they had {bench.slots} times the compute, too, and lost"
        f" none of it: {found}."
    )


def _row(run: PipelineRun, times: float) -> list[str]:
    return [
        run.name,
        f"{run.requests}",
        f"{run.loads}",
        f"{run.seconds:.1f}",
        f"{1 / run.seconds_each:.2f}",
        f"{run.median_s:.1f}",
        f"{times:.1f}",
    ]


def _list(more: list[str]) -> str:
    return f"; {', '.join(more)}" if more else ""
