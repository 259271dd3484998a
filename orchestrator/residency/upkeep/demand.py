"""How many slots there should be: a decision from what waits and what is of no use. Pure.

One slot more is asked for when requests have waited too long for an expert and nothing that is
under way will serve them: no slot that is still coming, and no idle one that may load it. A slot is
given back when for a while nobody has used it and nobody has waited too long, and nothing in it
must stay. So a slot that is long in coming is not sent away between two waits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

BUSY = math.inf
"""The `idle_since` of a slot that is in use."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The settings."""

    least: int
    most: int
    grow_after_s: float
    give_back_after_s: float


@dataclass(frozen=True, slots=True)
class SlotUse:
    """One slot, as far as it matters here."""

    id: str
    wanted: bool = False
    """Whether there should be one, though it may not be up yet, or no more."""
    up: bool = False
    idle_since: float = BUSY
    """When it was used last; for one that is not up, when it was asked for."""
    needed: bool = False
    """It has something that must stay, or is at work on it."""

    @property
    def is_idle(self) -> bool:
        """Whether it could load something else at once."""
        return self.up and not self.needed and self.idle_since < BUSY


@dataclass(frozen=True, slots=True)
class Change:
    """Slots to ask for, and to give back; never both."""

    ask: tuple[str, ...] = ()
    give_back: tuple[str, ...] = ()


def overdue(waits: Sequence[float], now: float, bounds: Bounds) -> int:
    """For how many experts requests have waited too long.

    `waits` has one time for each expert that requests wait for and that is not being loaded: when
    the first of them arrived.
    """
    return sum(now - since >= bounds.grow_after_s for since in waits)


def change(
    slots: Sequence[SlotUse], short: int, short_at: float, now: float, bounds: Bounds
) -> Change:
    """What to do about the number of slots.

    `short` is how many experts are overdue; `short_at` is when some were last.
    """
    wanted = [slot for slot in slots if slot.wanted]
    if short:
        coming = sum(not slot.up for slot in wanted)
        idle = sum(slot.is_idle for slot in wanted)
        more = min(short - coming - idle, bounds.most - len(wanted))
        others = sorted((slot.id for slot in slots if not slot.wanted), key=_by_number)
        return Change(ask=tuple(others[: max(more, 0)]))
    if len(wanted) <= bounds.least or now - short_at < bounds.give_back_after_s:
        return Change()
    useless = [s for s in wanted if now - s.idle_since >= bounds.give_back_after_s]
    useless = [slot for slot in useless if not slot.needed]
    # One at a time: what the others do without it is seen before the next one goes. The last first:
    # the first ones are on nodes that were there before anything was asked for.
    useless.sort(key=lambda slot: _by_number(slot.id))
    absent = [slot for slot in useless if not slot.up]
    last = (absent or useless)[-1:]
    return Change(give_back=tuple(slot.id for slot in last))


def _by_number(name: str) -> tuple[int, str]:
    return len(name), name
