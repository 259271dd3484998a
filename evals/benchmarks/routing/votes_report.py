"""What the votes of recorded models bring: a table, and verdicts against the targets."""

from pathlib import Path

from rich.console import Console

from evals.benchmarks.routing.experiment import SINGLE, Experiment
from evals.benchmarks.routing.recorded_report import print_lines, write_lines
from evals.benchmarks.routing.votes import ADAPTIVE, FULL, WEIGHTED
from evals.reporting.intervals import Accuracy, paired_gain
from evals.reporting.table import interval, say, tenths
from evals.reporting.verdicts import Verdict, print_verdicts

LOSS_AT_MOST = 0.003
FEWER_CALLS_AT_LEAST = 1.5


def gain(found: Experiment, way: str, over: str) -> Accuracy:
    """Of one way over another, on the same questions."""
    ways = found.ways
    return paired_gain(ways[way].scores.tolist(), ways[over].scores.tolist())


def verdicts(found: Experiment) -> list[Verdict]:
    """Every target with its measurement."""
    full, adaptive = found.ways[FULL], found.ways[ADAPTIVE]
    loss = float(full.scores.mean() - adaptive.scores.mean())
    fewer = full.calls / adaptive.calls
    over_single = gain(found, ADAPTIVE, SINGLE)
    return [
        Verdict(
            loss <= LOSS_AT_MOST + 1e-9 and fewer >= FEWER_CALLS_AT_LEAST,
            f"adaptive vote: {-100 * loss:+.1f} points beside the full vote with {fewer:.2f} times"
            f" fewer calls (targets: at most {100 * LOSS_AT_MOST:g} below,"
            f" {FEWER_CALLS_AT_LEAST:g} times)",
        ),
        Verdict(
            over_single.low > 0,
            f"adaptive vote: {tenths(float(adaptive.scores.mean()))} %, {_points(over_single)} over"
            " the best single (target: above it)",
        ),
    ]


def weighted_line(found: Experiment) -> str:
    """Whether a router's weights help a vote, which is no target: often they do not."""
    gained = gain(found, WEIGHTED, FULL)
    sure = "" if gained.low > 0 else ": no sure gain"
    return f"vote weighted by router: {_points(gained)} beside the plain vote{sure}"


def _points(gained: Accuracy) -> str:
    return f"{100 * gained.mean:+.1f} points ({interval(gained)})"


def print_votes(console: Console, found: Experiment, title: str) -> int:
    """Print the table and the verdicts; returns the exit code."""
    print_lines(console, found, title)
    say(console)
    say(console, f"      {weighted_line(found)}")
    return print_verdicts(console, verdicts(found))


def write_json(path: Path, found: Experiment, setting: dict[str, object]) -> None:
    """Everything in the table, with the verdicts."""
    said = [{"met": verdict.met, "text": verdict.text} for verdict in verdicts(found)]
    write_lines(path, found, {**setting, "verdicts": said})
