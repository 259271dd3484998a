"""What is simulated: the pool, the requests and the age bound."""

import math
from dataclasses import dataclass, field

from evals.benchmarks.simulation.service import Machine
from orchestrator.residency.machine.policy import Rules

ZIPF, PANEL, TAGGED = "zipf", "panel", "tagged"
"""Traces that are drawn: single requests, a panel and its lead, and a tagger before both."""
STAGED = (PANEL, TAGGED)
SAMPLES = 5
"""Calls of the tagger for one request."""
EXPERTS_OF_A_PANEL = 3
DEFAULT_LOAD = 0.3
"""The share of the slots' capacity that is asked for where no rate is given: more than what first
come first served can serve, and about half of what can be served within an age bound of 10 s."""


def calls_of(trace: str) -> int:
    """Calls of one request of a trace."""
    if trace not in STAGED:
        return 1
    return EXPERTS_OF_A_PANEL + 1 + (SAMPLES if trace == TAGGED else 0)


@dataclass(frozen=True, slots=True)
class Setting:
    """One comparison."""

    machine: Machine = field(default_factory=Machine)
    rules: Rules = field(default_factory=Rules)
    trace: str = ZIPF
    """One that is drawn from a Zipf law, or a file."""
    experts: int = 150
    requests: int = 200_000
    rate: float = DEFAULT_LOAD * 1000.0
    """Requests per second; infinite: all at once."""
    alpha: float = 1.0
    batch_share: float = 0.0
    """The share of requests without an age bound (or with the bound of the class `batch`)."""
    age_bounds_s: tuple[float, float] = (10.0, math.inf)
    """Of the classes interactive and batch."""
    seed: int = 0

    @property
    def comparable(self) -> bool:
        """Whether the targets speak of this setting: its size, and slots that have enough to do.

        Below a third of the capacity, slots are idle now and then, and an idle slot loads at
        once: that makes more loads, and less waiting.
        """
        size = (self.machine.slots, self.machine.slot_gb, self.experts, self.alpha)
        share = self.rate / self.machine.capacity
        return self.trace == ZIPF and size == (8, 8.0, 150, 1.0) and share >= DEFAULT_LOAD
