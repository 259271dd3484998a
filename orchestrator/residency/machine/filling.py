"""Where engines go at a start, before anybody has asked for one. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """An engine that is to be loaded at the start."""

    name: str
    memory_gb: float
    first: bool = False
    """It must be there; the others come where there is room."""


def places(
    wanted: Sequence[Wanted], room_gb: Sequence[float], up: Sequence[bool] = ()
) -> Mapping[str, int]:
    """Engine -> the slot that it goes to, by number; those for which there is no room have none.

    Each goes where most is free, slots that are `up` first (all of them, where nothing is said).
    The order of `wanted` is a preference, where it costs no room: small engines everywhere leave
    none for a large one, so the largest come first where more are placed that way.
    """
    by_size = sorted(wanted, key=lambda one: -one.memory_gb)
    found = [_placed(order, room_gb, up or [True] * len(room_gb)) for order in (wanted, by_size)]
    return max(found, key=len)


def _placed(
    order: Sequence[Wanted], room_gb: Sequence[float], up: Sequence[bool]
) -> Mapping[str, int]:
    left, found = list(room_gb), {}
    for one in sorted(order, key=lambda one: not one.first):
        fitting = [n for n, free_gb in enumerate(left) if free_gb >= one.memory_gb]
        if fitting:
            best = max(fitting, key=lambda n: (up[n], left[n]))
            left[best] -= one.memory_gb
            found[one.name] = best
    return found
