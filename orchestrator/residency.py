"""Pure policy: which slot takes an engine, and what must leave for it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResidentView:
    """An engine that is loaded somewhere; `last_used` is any clock, later is larger."""

    engine: str
    memory_gb: float
    in_use: int
    last_used: float


@dataclass(frozen=True, slots=True)
class SlotView:
    """A slot as the policy sees it; `free_gb` is what its budget leaves."""

    slot: str
    free_gb: float
    residents: tuple[ResidentView, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """Load into `slot` after the engines `evict` have drained and left, in this order."""

    slot: str
    evict: tuple[str, ...]


def place(need_gb: float, slots: Sequence[SlotView]) -> Placement | None:
    """The slot that gives up least for an engine of `need_gb`; None if it fits in no slot.

    A slot with room wins, the emptiest first. Otherwise the fewest engines leave, those that
    are idle before those in use, and the least recently used first.
    """
    options = [(slot, _evictions(need_gb, slot)) for slot in slots]
    feasible = [(slot, evict) for slot, evict in options if evict is not None]
    if not feasible:
        return None

    def cost(option: tuple[SlotView, tuple[ResidentView, ...]]) -> tuple[float, ...]:
        slot, evict = option
        in_use = sum(resident.in_use > 0 for resident in evict)
        newest = max((resident.last_used for resident in evict), default=0.0)
        return (len(evict), in_use, newest, -slot.free_gb)

    slot, evict = min(feasible, key=cost)
    return Placement(slot.slot, tuple(resident.engine for resident in evict))


def _evictions(need_gb: float, slot: SlotView) -> tuple[ResidentView, ...] | None:
    missing = need_gb - slot.free_gb
    leaving: list[ResidentView] = []
    order = sorted(slot.residents, key=lambda r: (r.in_use > 0, r.last_used))
    for resident in order:
        if missing <= 0:
            break
        leaving.append(resident)
        missing -= resident.memory_gb
    if missing > 0:
        return None
    # A large one that left late may have made an earlier, smaller one superfluous.
    for resident in tuple(reversed(leaving)):
        if missing + resident.memory_gb <= 0:
            leaving.remove(resident)
            missing += resident.memory_gb
    return tuple(leaving)
