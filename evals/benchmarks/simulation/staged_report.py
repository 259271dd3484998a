"""Staged requests, served with and without what they announce: the runs and their table."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from evals.benchmarks.simulation.setting import TAGGED, Setting
from evals.benchmarks.simulation.simulation_report import about, finite
from evals.benchmarks.simulation.staged_events import StagedSimulation, Way
from evals.benchmarks.simulation.staged_traces import StagedTrace, staged_trace
from evals.client.progress import Progress
from evals.reporting.table import print_table, say

WAYS = (
    Way("ours"),
    Way("without prefetch", prefetch=False),
    Way("nothing announced", announces=False, prefetch=False),
    Way("a load per request", announces=False, prefetch=False, alone=True),
)
MOST_ALONE = 1000
"""Requests that are served one by one: each takes as long as any other."""


@dataclass(frozen=True, slots=True)
class StagedResult:
    """One way in numbers."""

    name: str
    requests: int
    loads: int
    seconds: float
    """From the first request to the last answer."""
    median_s: float
    """Of one request, from its arrival to its lead's last token."""
    mean_s: float


@dataclass(frozen=True, slots=True)
class StagedStudy:
    """Everything that was simulated."""

    setting: Setting
    results: tuple[StagedResult, ...]


def study_stages(setting: Setting, progress: Progress) -> StagedStudy:
    """Serve the setting's trace in every way."""
    trace = staged_trace(
        setting.trace,
        experts=setting.experts,
        requests=setting.requests,
        rate=setting.rate,
        alpha=setting.alpha,
        batch_share=setting.batch_share,
        seed=setting.seed,
    )
    return StagedStudy(setting, tuple(_run(setting, trace, way, progress) for way in WAYS))


def _run(setting: Setting, trace: StagedTrace, way: Way, progress: Progress) -> StagedResult:
    progress.doing(way.name)
    served = trace.start(MOST_ALONE) if way.alone else trace
    outcome = StagedSimulation(served, setting.machine, way, setting).run()
    # One by one, a request begins when the one before it is over.
    ends = [at + seconds for at, seconds in zip(served.trace.at_s, outcome.answers_s, strict=True)]
    seconds = sum(outcome.answers_s) if way.alone else max(ends) - served.trace.at_s[0]
    progress.say(f"{way.name}: {len(outcome.loads)} loads, simulated in {outcome.wall_s:.1f} s")
    return StagedResult(
        way.name,
        len(served.stages),
        len(outcome.loads),
        seconds,
        statistics.median(outcome.answers_s),
        statistics.fmean(outcome.answers_s),
    )


def print_stages(console: Console, study: StagedStudy) -> int:
    """Print what was simulated and the table; returns the exit code."""
    tagged = "a tagger's five samples, " if study.setting.trace == TAGGED else ""
    say(console)
    for line in about(study.setting):
        say(console, line)
    say(console, f"Each request takes {tagged}a panel of three, then a lead.")
    say(console)
    columns = ["served", "requests", "loads", "loads each", "seconds", "median s", "mean s"]
    print_table(console, columns, [_row(result) for result in study.results], bold=0)
    return 0


def write_stages(path: Path, study: StagedStudy) -> None:
    """The setting and every result; infinite becomes null."""
    path.write_text(json.dumps(finite(asdict(study)), indent=2) + "\n", encoding="utf-8")


def _row(result: StagedResult) -> Sequence[str]:
    return [
        result.name,
        f"{result.requests}",
        f"{result.loads}",
        f"{result.loads / result.requests:.3f}",
        f"{result.seconds:.1f}",
        f"{result.median_s:.2f}",
        f"{result.mean_s:.2f}",
    ]
