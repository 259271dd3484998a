"""What the benchmark of an evaluation found, in a table and in verdicts against the targets."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console

from evals.reporting.table import print_table, say
from evals.reporting.verdicts import Verdict, print_verdicts

CALLS_AT_MOST = 1.05
TIME_AT_MOST = 1.3


@dataclass(frozen=True, slots=True)
class SweepBench:
    """Everything that was measured, in one process run; times are seconds."""

    questions: int
    subjects: int
    subject_calls: int
    """As if each subject had asked for itself."""
    sent: int
    distinct: int
    loads: Mapping[str, int]
    """Engine -> its loads."""
    stages: int
    """Calls that wait for one another: a router's tagger is heard before anybody answers."""
    whole_s: float
    """From the start of the command's work to its end, the service's start and end included."""
    sweep_s: float
    """From when the first call could be sent to the last answer."""
    bare_whole_s: float
    bare_calls_s: float

    @property
    def ratio(self) -> float:
        """The evaluation's whole time, as a multiple of the bare engines'."""
        return self.whole_s / self.bare_whole_s


def verdicts(bench: SweepBench) -> list[Verdict]:
    """Every target with its measurement."""
    repeated = bench.sent / bench.distinct
    most = max(bench.loads.values(), default=0)
    return [
        Verdict(
            most <= bench.stages,
            f"no engine was loaded more than {most} times (target: once for each of the"
            f" {bench.stages} stages)",
        ),
        Verdict(
            repeated <= CALLS_AT_MOST,
            f"{bench.sent} calls for {bench.distinct} distinct ones, {repeated:.3f} times"
            f" (target: at most {CALLS_AT_MOST:g})",
        ),
        Verdict(
            bench.ratio <= TIME_AT_MOST,
            f"{bench.ratio:.2f} times as long as the bare engines (target: at most"
            f" {TIME_AT_MOST:g})",
        ),
    ]


def print_sweep(console: Console, bench: SweepBench) -> int:
    """Print the table and the verdicts; returns the exit code."""
    say(console)
    say(
        console,
        f"{bench.questions} questions x {bench.subjects} subjects: {bench.subject_calls} calls of"
        f" the subjects, {bench.sent} sent; {sum(bench.loads.values())} loads of"
        f" {len(bench.loads)} engines.",
    )
    print_table(
        console,
        ["", "whole s", "calls and loads s", "calls/s"],
        [
            _row("the evaluation", bench.whole_s, bench.sweep_s, bench.sent),
            _row("bare engines", bench.bare_whole_s, bench.bare_calls_s, bench.distinct),
        ],
        bold=0,
    )
    say(console)
    return print_verdicts(console, verdicts(bench))


def _row(name: str, whole_s: float, calls_s: float, calls: int) -> list[str]:
    return [name, f"{whole_s:.1f}", f"{calls_s:.1f}", f"{calls / calls_s:.0f}"]
