"""One limit of one key in a window of the clock: what was drawn for it, and what was spent. Pure.

A gateway spends what it has drawn from the counter that all gateways share, so that together they
never spend more than the limit. Where the counter cannot be asked it may spend more than it has
drawn, up to the limit by what it knows itself; that is owed, and drawn as soon as it can be.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.store.draws import Draw, Drawn

Kind = Literal["requests", "tokens", "price"]
MINUTE_S, DAY_S = 60, 86400
NANO = 1e-9
"""Prices are counted in whole billionths of a US dollar."""


@dataclass(slots=True)
class Meter:
    """A limit of so many of a kind in each period; windows begin at whole periods of the clock."""

    kind: Kind
    limit: int
    period_s: int
    grain: int
    """Drawn at once, where a request takes less."""
    window: int = field(default=-1, init=False)
    held: int = field(default=0, init=False)
    """Drawn in this window."""
    used: int = field(default=0, init=False)
    """Spent in this window; more than `held` where some is owed."""
    total: int = field(default=0, init=False)
    """What all gateways have drawn, as the counter last told."""
    _dry_until: float = field(default=0.0, init=False)

    @property
    def words(self) -> str:
        """The limit in a message: `500 tokens per day`."""
        per = "day" if self.is_quota else "minute"
        kind = "US dollars" if self.kind == "price" else self.kind
        return f"{self.told(self.limit)} {kind} per {per}"

    def told(self, amount: int) -> str:
        """A number of the kind, in a message."""
        return f"{amount * NANO:g}" if self.kind == "price" else str(amount)

    @property
    def is_quota(self) -> bool:
        """Whether it is about a day, so that waiting a moment is of no use."""
        return self.period_s == DAY_S

    @property
    def free(self) -> int:
        """What may be spent without asking anybody; negative where some is owed."""
        return self.held - self.used

    @property
    def remaining(self) -> int:
        """What this gateway might still spend in this window, as far as it knows."""
        return max(0, self.limit - max(0, self.total - self.held) - self.used)

    def turn(self, now: float) -> None:
        """Begin a new window where the clock has come to one."""
        if (window := math.floor(now / self.period_s)) != self.window:
            self.window, self.held, self.used, self.total = window, 0, 0, 0
            self._dry_until = 0.0

    def reset_s(self, now: float) -> float:
        """Seconds until the window ends."""
        return (self.window + 1) * self.period_s - now

    def spend(self, amount: int) -> None:
        """Count what a request takes; negative for what it gives back."""
        self.used = max(0, self.used + amount)

    def draw(self, key: str, need: int) -> Draw:
        """What to ask of the counter, so that `need` can be spent; `drew` or `failed` must follow.

        With 0, what is owed is paid, and what is free beyond two grains is given back: it cannot be
        spent any more from now on.
        """
        free = self.free
        owed = -free if free < 0 else 0
        least = max(0, need - max(0, free))
        if not need and free > 2 * self.grain:
            owed = self.grain - free
            self.held += owed
        counter = f"{key}/{self.kind}/{self.period_s}/{self.window}"
        most = max(least, self.grain) if least else 0
        return Draw(counter, self.limit, owed, least, most, 2 * self.period_s)

    def drew(self, asked: Draw, got: Drawn, dry_until: float) -> None:
        """Note what came of a draw of this window; one that got nothing is true for a moment."""
        self.held += max(0, asked.owed) + got.granted
        self.total = got.total
        if asked.least and not got.granted:
            self._dry_until = dry_until

    def failed(self, asked: Draw) -> None:
        """The counter was not reached: what was to be given back is here still."""
        self.held -= min(0, asked.owed)

    def is_dry(self, need: int, now: float) -> bool:
        """Whether the counter has told a moment ago that there is not as much."""
        return now < self._dry_until and need > self.remaining
