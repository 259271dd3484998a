"""The pool's books: what every engine and slot is doing now. The policy reads them, drivers write.

The real pool and the simulator keep the same books, so that one policy serves both. Times are
seconds on any clock that never goes back; memory is GiB.
"""

import math
from dataclasses import dataclass, field
from enum import Enum


class Phase(Enum):
    """Where a copy of an engine stands in its slot's fast memory."""

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    """Finishes what it has begun, takes nothing new, then leaves."""


@dataclass(slots=True, eq=False)
class Costs:
    """What moving and serving an engine takes, as far as it is known: running estimates."""

    load_s: float = 1.0
    """From nothing to ready, in a slot process that runs."""
    wake_s: float = 1.0
    """From asleep to ready."""
    leave_s: float = 0.05
    """From drained to gone (or asleep)."""
    service_s: float = 0.1
    """One request from its admission to its last token, beside others: what a drain waits for."""


@dataclass(slots=True, eq=False)
class EngineState:
    """One engine: an expert with weights of its own, and the adapters that ride along."""

    name: str
    memory_gb: float
    max_in_flight: int = 256
    """Requests that one copy serves at once."""
    pinned: bool = False
    max_idle_s: float = math.inf
    costs: Costs = field(default_factory=Costs)
    copies: "list[Replica]" = field(default_factory=list)
    waiting: int = 0
    oldest: float = math.inf
    """When the request that has waited longest came in."""
    deadline: float = math.inf
    """When the first waiting request reaches its class's age bound."""
    retry_at: float = -math.inf
    """A load failed: not before this time again."""
    _count: float = 0.0
    _counted_at: float = 0.0

    def arrived(self, now: float, window_s: float) -> None:
        """Count a request into the arrival rate, which forgets over `window_s`."""
        self._count = 1.0 + self._count * math.exp((self._counted_at - now) / window_s)
        self._counted_at = now

    def rate(self, now: float, window_s: float) -> float:
        """Requests per second, recent ones counting most."""
        if self._count == 0.0:
            return 0.0
        return self._count * math.exp((self._counted_at - now) / window_s) / window_s

    @property
    def resident(self) -> bool:
        """Whether some copy serves, or will once it has loaded."""
        return any(copy.phase is not Phase.DRAINING for copy in self.copies)


@dataclass(slots=True, eq=False)
class SlotState:
    """One slot: its budget and what lies in it."""

    id: str
    budget_gb: float
    used_gb: float = 0.0
    reserved_gb: float = 0.0
    """Promised to loads that are under way."""
    up: bool = True
    moving: bool = False
    """Something drains, leaves, loads or wakes: one such thing at a time."""
    load_blocks: bool = True
    """Whether its residents stand still during a load (engines of one process on CPU do)."""
    copies: "list[Replica]" = field(default_factory=list)
    asleep: set[str] = field(default_factory=set)
    """Engines with a cheaper way back than a load."""

    @property
    def free_gb(self) -> float:
        """What the budget leaves."""
        return self.budget_gb - self.used_gb - self.reserved_gb

    def move_s(self, engine: EngineState) -> float:
        """Seconds to make `engine` ready here."""
        return engine.costs.wake_s if engine.name in self.asleep else engine.costs.load_s


@dataclass(slots=True, eq=False)
class Replica:
    """One engine in one slot's fast memory."""

    engine: EngineState
    slot: SlotState
    phase: Phase = Phase.LOADING
    in_use: int = 0
    since: float = 0.0
    """When it became ready: its stage began."""
    last_used: float = 0.0

    @property
    def admits(self) -> bool:
        """Whether a further request may begin here."""
        return self.phase is Phase.READY and self.in_use < self.engine.max_in_flight

    @property
    def idle(self) -> bool:
        """Nobody uses it and nobody waits for it."""
        return self.in_use == 0 and self.engine.waiting == 0


def add_replica(engine: EngineState, slot: SlotState) -> Replica:
    """Enter a copy that begins to load."""
    copy = Replica(engine, slot)
    engine.copies.append(copy)
    slot.copies.append(copy)
    return copy


def remove_replica(copy: Replica) -> None:
    """Strike a copy out; does nothing when it is out already."""
    if copy in copy.slot.copies:
        copy.slot.copies.remove(copy)
        copy.engine.copies.remove(copy)
