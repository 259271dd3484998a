"""Counters that several gateways draw from: never more than a limit, whoever asks at once."""

from dataclasses import dataclass

SWEPT_EVERY_S = 60.0
"""How often stores that do not forget by themselves remove counters that are over."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What is asked of one counter.

    `owed` is added whatever the limit says; a negative one gives back. Then, where at least `least`
    are left below `limit`, as many as there are, up to `most`, are granted, else none.
    """

    counter: str
    limit: int
    owed: int = 0
    least: int = 0
    most: int = 0
    keep_s: int = 120
    """Seconds after the last draw in which the counter is kept."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What came of it."""

    granted: int
    total: int
    """What the counter holds now, for whomever."""


def drawn(total: int, draw: Draw) -> Drawn:
    """What a draw makes of a counter's total."""
    total = max(0, total + draw.owed)
    left = draw.limit - total
    granted = min(draw.most, left) if 0 < draw.least <= left else 0
    return Drawn(granted, total + granted)
