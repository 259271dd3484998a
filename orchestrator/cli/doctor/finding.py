"""What the doctor says: whether something is right, what was found, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: Level
    about: str
    found: str
    advice: str = ""
    """What to do; empty where all is right."""

    def __post_init__(self) -> None:
        assert bool(self.advice) == (self.level is not Level.OK), self


def ok(about: str, found: str) -> Finding:
    """All is right."""
    return Finding(Level.OK, about, found)


def warning(about: str, found: str, advice: str) -> Finding:
    """It runs, but not as it should, or perhaps not for long."""
    return Finding(Level.WARNING, about, found, advice)


def fault(about: str, found: str, advice: str) -> Finding:
    """It does not run."""
    return Finding(Level.FAULT, about, found, advice)


def summary(findings: Iterable[Finding]) -> str:
    """How many there are of each level, in words."""
    levels = [one.level for one in findings]
    counts = (
        _count(levels.count(Level.FAULT), "fault"),
        _count(levels.count(Level.WARNING), "warning"),
    )
    return f"{', '.join(counts)}, {levels.count(Level.OK)} ok"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
