"""What a step came to: ok, failed or skipped, why, and in how many seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

WIDTH = 21
"""Of the column with the steps' names."""
MAX_WHY = 300


class Outcome(Enum):
    """How a step ended; the value is what the terminal shows."""

    OK = "ok"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One step's result."""

    step: str
    outcome: Outcome
    why: str
    """What was found, what broke, or why it did not run: one line."""
    seconds: float = 0.0
    figures: Mapping[str, Any] = field(default_factory=dict)
    log: str | None = None
    """Its log file, relative to the report."""
    log_end: tuple[str, ...] = ()
    """The last lines of the log of a step that failed."""


def line(verdict: Verdict) -> str:
    """The verdict as the terminal shows it."""
    head = f"{verdict.outcome.value:<8} {verdict.step:<{WIDTH}} {verdict.seconds:6.1f} s"
    return f"{head}  {one_line(verdict.why)}".rstrip()


def one_line(text: str) -> str:
    """Any text as one line of bounded length."""
    words = " ".join(text.split())
    return words if len(words) <= MAX_WHY else words[: MAX_WHY - 3] + "..."


def closing_line(verdicts: Sequence[Verdict], seconds: float) -> str:
    """How many steps came to what."""
    counts = {
        outcome: sum(verdict.outcome is outcome for verdict in verdicts) for outcome in Outcome
    }
    if nothing_ran(verdicts):
        return (
            f"nothing was checked: all {len(verdicts)} steps were skipped (the reasons are above)"
        )
    return (
        f"{counts[Outcome.OK]} ok, {counts[Outcome.FAILED]} failed, {counts[Outcome.SKIPPED]}"
        f" skipped in {seconds:.0f} s"
    )


def nothing_ran(verdicts: Sequence[Verdict]) -> bool:
    """Whether every step was skipped, so that the check says nothing."""
    return all(verdict.outcome is Outcome.SKIPPED for verdict in verdicts)


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0 exactly where something ran and nothing failed."""
    failed = any(verdict.outcome is Outcome.FAILED for verdict in verdicts)
    return int(failed or nothing_ran(verdicts))
