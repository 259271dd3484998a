"""Targets with their measurements, as every benchmark prints them."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from evals.reporting.table import say


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target, whether it is met, and by what."""

    met: bool
    text: str


def print_verdicts(console: Console, verdicts: Sequence[Verdict]) -> int:
    """Print a line for each; returns the exit code, 1 where a target is missed."""
    for verdict in verdicts:
        say(console, f"{'ok  ' if verdict.met else 'MISS'}  {verdict.text}")
    return 0 if all(verdict.met for verdict in verdicts) else 1
