"""How a slot serves: its requests share its capacity, and each needs the same work."""

import math
from collections import deque
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Protocol

from orchestrator.residency.machine.costs import FIELDS, Costs
from orchestrator.residency.machine.queues import EngineQueue
from orchestrator.residency.machine.state import EngineState, SlotState, Ticket

_ROUNDING = 1e-9
"""Of a request's work."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The slots, and what things take in them: one cost for every engine, in seconds.

    The defaults are of the order that the zoo's experts take on two cores (`make bench-swap`).
    """

    slots: int = 8
    slot_gb: float = 8.0
    engines_gb: tuple[float, ...] = ()
    """The memory of each expert; 1 GiB each where empty."""
    load_s: float = 0.6
    wake_s: float = 0.5
    leave_s: float = 0.02
    solo_s: float = 0.15
    """One request from its admission to its last token, alone in its slot."""
    work_s: float = 0.008
    """A slot with many requests in use finishes one of them in this time."""
    max_in_flight: int = 256
    """Requests that one replica of an engine serves at once."""
    max_idle_s: float = math.inf
    """How long an engine stays that nobody asks."""
    load_blocks: bool = True
    """Whether a slot's residents stand still during a load."""

    @property
    def capacity(self) -> float:
        """Requests per second, were nothing ever loaded."""
        return self.slots / self.work_s


InUse = tuple[float, Ticket]
"""(reading of the slot's clock when it is done, the request)"""


class SlotServer(Protocol):
    """How one slot works on the requests that have begun there."""

    scheduled: bool
    """Whether the driver will look here at `next_at`, or before."""
    blocked: bool

    @property
    def in_use(self) -> Sized:
        """The requests in use."""
        ...

    def begin(self, ticket: Ticket, now: float) -> None:
        """A request begins."""
        ...

    def block(self, blocked: bool, now: float) -> None:
        """Stand still, or go on."""
        ...

    def take_done(self, now: float) -> "Sequence[InUse]":
        """Those that are done by now."""
        ...

    def next_at(self) -> float:
        """When the next request is done if no other begins; infinite if none will be."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """The parts of a pool as they stand before the first request comes."""

    queues: Sequence[EngineQueue]
    slots: Sequence[SlotState]
    servers: Mapping[str, SlotServer]
    """By slot."""


def furnish(machine: Machine, experts: Sequence[str], max_in_flight: int | None = None) -> World:
    """Engines that all cost the same, in slots that are empty."""
    sizes = machine.engines_gb or (1.0,) * len(experts)
    limit = max_in_flight or machine.max_in_flight
    seconds = (machine.load_s, machine.wake_s, machine.leave_s, machine.solo_s)
    engines = [
        EngineState(
            name,
            gb,
            limit,
            max_idle_s=machine.max_idle_s,
            costs=Costs(*seconds, known=set(FIELDS)),
        )
        for name, gb in zip(experts, sizes, strict=True)
    ]
    slots = [
        SlotState(f"slot-{number}", machine.slot_gb, load_blocks=machine.load_blocks)
        for number in range(machine.slots)
    ]
    servers = {slot.id: Server(machine.solo_s, machine.work_s) for slot in slots}
    return World([EngineQueue(engine) for engine in engines], slots, servers)


class Server:
    """Shares one slot's capacity among the requests in use there.

    Its clock counts the work that each request in use has had, in requests. So a request only
    needs to remember at which reading it is done, and as all need the same work, they are done in
    the order in which they began.
    """

    __slots__ = ("_at", "_clock", "_solo_s", "_speed", "_work_s", "blocked", "in_use", "scheduled")

    def __init__(self, solo_s: float, work_s: float) -> None:
        self.in_use: deque[InUse] = deque()
        self.blocked = False
        self.scheduled = False
        """Whether the driver will look here at `next_at`, or before."""
        self._solo_s, self._work_s = solo_s, work_s
        self._clock = 0.0
        self._at = 0.0
        self._speed = 0.0

    def begin(self, ticket: Ticket, now: float) -> None:
        """A request begins."""
        self._clock += (now - self._at) * self._speed
        self._at = now
        self.in_use.append((self._clock + 1.0, ticket))
        self._pace()

    def block(self, blocked: bool, now: float) -> None:
        """Stand still, or go on."""
        self._clock += (now - self._at) * self._speed
        self._at = now
        self.blocked = blocked
        self._pace()

    def take_done(self, now: float) -> list[InUse]:
        """Those that are done by now."""
        in_use = self.in_use
        self._clock += (now - self._at) * self._speed
        self._at = now
        done = []
        reached = self._clock + _ROUNDING
        while in_use and in_use[0][0] <= reached:
            done.append(in_use.popleft())
        if not in_use:
            self._clock = 0.0  # Small readings are exact readings.
        self._pace()
        return done

    def next_at(self) -> float:
        """When the next request is done if no other begins; infinite if none will be."""
        if not self._speed:
            return math.inf
        return self._at + (self.in_use[0][0] - self._clock) / self._speed

    def _pace(self) -> None:
        shared_s = self._work_s * len(self.in_use)
        if self.blocked or not shared_s:
            self._speed = 0.0
        else:
            self._speed = 1.0 / (shared_s if shared_s > self._solo_s else self._solo_s)
