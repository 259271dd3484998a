"""What every engine and slot is doing now. The machine writes it, the policy reads it.

The live pool and the simulator share it. Times are seconds on any clock that never goes back;
memory is GiB.
"""

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from orchestrator.residency.machine.costs import Costs

SILENCE = 5.0
"""An engine that has been asked nothing for a while is no longer asked more than once in a fifth of
it: at any higher rate, such a silence would have a chance below e to the power of -5."""
CHOICE, FIRST = 0, 1
"""Stages of what a client asked: the questions by which it is decided who answers, then the first
answers. What is asked when these are there, a panel's lead or a round of a debate, counts on."""


class Phase(Enum):
    """Where a replica of an engine stands in its slot's fast memory."""

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    """Finishes what it has begun, takes nothing new, then leaves."""


@dataclass(slots=True, eq=False)
class Outlook:
    """What is known of requests to come, but not yet for which engine. All engines share one."""

    undecided: int = 0
    """Requests without an age bound for which it is being found out whom to ask."""


@dataclass(slots=True, eq=False)
class EngineState:
    """One engine: an expert with weights of its own, and the adapters that share them."""

    name: str
    memory_gb: float
    max_in_flight: int = 256
    """Requests that one replica serves at once."""
    pinned: bool = False
    max_idle_s: float = math.inf
    costs: Costs = field(default_factory=Costs)
    replicas: "list[Replica]" = field(default_factory=list)
    waiting: int = 0
    oldest: float = math.inf
    """When the request that has waited longest arrived."""
    deadline: float = math.inf
    """When the first waiting request reaches its class's age bound."""
    stages: dict[int, int] = field(default_factory=dict)
    """How many wait, by stage; without those of which none does."""
    expected: int = 0
    """Requests that running ones have announced: a lead's, while its panel answers."""
    unhurried: int = 0
    """Those of them that have no age bound."""
    followed: int = 0
    """Batches that wait for it, or ask more of it as soon as it has answered: it has work."""
    ahead: bool = False
    """It was loaded for expected requests, and none has come since."""
    outlook: Outlook = field(default_factory=Outlook)
    retry_at: float = -math.inf
    """After a failed load: no further load before this time."""
    failed: str | None = None
    """Why the last load failed."""
    failures: int = 0
    failures_in_a_row: int = 0
    losses_in_a_row: int = 0
    """Loads during which the slot's process died."""
    retired: bool = False
    """It is no longer configured: it serves those that wait where it is, then leaves."""
    succeeded: bool = False
    """Another engine has come under its name: it serves only whom it can at once."""
    on_trial: bool = False
    """It is loaded to find out whether it can be: those that wait outlast a failure."""
    _count: float = 0.0
    _counted_at: float = 0.0

    def arrived(self, now: float, window_s: float) -> None:
        """Count a request into the arrival rate, which forgets over `window_s`."""
        self._count = 1.0 + self._count * math.exp((self._counted_at - now) / window_s)
        self._counted_at = now

    def continues(self, other: "EngineState") -> None:
        """It succeeds another one: as often asked, and as far as is known of the same costs."""
        self._count, self._counted_at = other._count, other._counted_at
        self.costs.recall(other.costs.measurements())

    def rate(self, now: float, window_s: float) -> float:
        """Requests per second: recent ones count most, and a burst that is over counts no more."""
        if self._count == 0.0:
            return 0.0
        silent_s = now - self._counted_at
        rate = self._count * math.exp(-silent_s / window_s) / window_s
        return min(rate, SILENCE / silent_s) if silent_s > 0 else rate

    def refuses(self, now: float) -> bool:
        """Whether a request would be refused: a load has failed, or it leaves."""
        if self.retired and not self.keeps_waiting:
            return True
        return not self.replicas and self.failed is not None and self.retry_at > now

    @property
    def stage(self) -> int:
        """The earliest stage of those that wait; FIRST where nobody does."""
        return min(self.stages, default=FIRST)

    @property
    def resident(self) -> bool:
        """Whether some replica serves, or will once it has loaded."""
        # Asked very often, and a loop takes half of what `any` does.
        for replica in self.replicas:  # noqa: SIM110
            if replica.phase is not Phase.DRAINING:
                return True
        return False

    @property
    def keeps_waiting(self) -> bool:
        """Whether a request may wait for it: of those that leave, for one that is there alone."""
        return not self.retired or (self.resident and not self.succeeded)

    @property
    def serves(self) -> bool:
        """Whether some replica answers without being loaded."""
        return any(replica.phase is Phase.READY for replica in self.replicas)

    @property
    def loading(self) -> bool:
        """Whether some replica is on its way in."""
        return any(replica.phase is Phase.LOADING for replica in self.replicas)


@dataclass(slots=True, eq=False)
class SlotState:
    """One slot: its budget and what is resident in it."""

    id: str
    budget_gb: float
    base_gb: float = 0.0
    """What its process takes with no engine in it."""
    used_gb: float = 0.0
    reserved_gb: float = 0.0
    """Promised to a load that is under way."""
    up: bool = True
    in_transition: bool = False
    """Something drains, leaves, loads or wakes: one transition at a time."""
    crowded: bool = False
    """Loads are late: what has no age bound does not begin here, since it would hold them up."""
    closing: bool = False
    """It is being given back: what is resident leaves, and nothing comes."""
    load_blocks: bool = True
    """Whether its residents stand still during a load (engines of one process on CPU do)."""
    sleeps: bool = False
    """Whether an engine that leaves can sleep in host memory."""
    replicas: "list[Replica]" = field(default_factory=list)
    asleep: dict[str, float] = field(default_factory=dict)
    """Engines with a cheaper way back than a load: those that sleep, the first of them longest, or
    whose files are warm. With the memory that each still holds here, which none need keep."""
    stale: set[str] = field(default_factory=set)
    """Those that sleep and are no longer configured as they are: they are dropped soon."""
    planned: "list[tuple[EngineState, str]]" = field(default_factory=list)
    """Engines to load here before the policy is asked, each with the reason."""
    _share_s: float = 0.0
    _shared_at: float = 0.0

    @property
    def free_gb(self) -> float:
        """What the budget leaves."""
        return self.budget_gb - self.used_gb - self.reserved_gb

    @property
    def asleep_gb(self) -> float:
        """What would be free as well if all that sleep were dropped."""
        return sum(self.asleep.values())

    def load_s(self, engine: EngineState) -> float:
        """Seconds to make `engine` ready here."""
        return engine.costs.wake_s if engine.name in self.asleep else engine.costs.load_s

    def could_hold(self, engine: EngineState) -> bool:
        """Whether `engine` would fit if all that may leave had left."""
        pinned = (r.engine for r in self.replicas if r.engine.pinned and r.engine is not engine)
        pinned_gb = sum(other.memory_gb for other in pinned)
        return self.budget_gb - self.base_gb - pinned_gb >= engine.memory_gb

    def share_s(self, now: float) -> float:
        """Seconds that one request would have had for itself, had it run here all the time.

        The slot's time is divided equally among those that run. To be called before their number
        changes; only differences mean anything.
        """
        running = sum(replica.in_use for replica in self.replicas)
        if running:
            self._share_s += (now - self._shared_at) / running
        self._shared_at = now
        return self._share_s

    def recount(self) -> None:
        """Bring the memory up to date with the replicas.

        A sum, so that rounding does not add up over a million transitions. A load takes memory
        when those that leave for it have left.
        """
        used_gb, loading_gb, draining = self.base_gb + self.asleep_gb, 0.0, False
        for replica in self.replicas:
            if replica.phase is Phase.LOADING:
                loading_gb += replica.engine.memory_gb
                continue
            used_gb += replica.engine.memory_gb
            draining = draining or replica.phase is Phase.DRAINING
        self.used_gb = used_gb
        self.reserved_gb = 0.0 if draining else loading_gb


@dataclass(slots=True, eq=False)
class Replica:
    """One engine in one slot's fast memory."""

    engine: EngineState
    slot: SlotState
    phase: Phase = Phase.LOADING
    in_use: int = 0
    entered: float = 0.0
    """When its transition began."""
    since: float = 0.0
    """When it became ready: its stage began."""
    last_used: float = 0.0
    drains_from: float = math.inf
    """When it was decided that it leaves, if requests ran then."""
    running: "set[Ticket]" = field(default_factory=set)
    """The requests behind `in_use`."""
    lent: dict[int, int] = field(default_factory=dict)
    """Loans: how many requests a gateway may still let begin here without asking, by a number."""

    @property
    def admits(self) -> bool:
        """Whether a further request may begin here."""
        return self.phase is Phase.READY and self.room > 0

    @property
    def room(self) -> int:
        """Further requests for which there is room, beside those that may begin unasked."""
        taken = self.in_use + sum(self.lent.values()) if self.lent else self.in_use
        return self.engine.max_in_flight - taken

    @property
    def busy(self) -> bool:
        """Whether it must not leave yet: requests run here, or may begin unasked."""
        return self.in_use > 0 or bool(self.lent)

    @property
    def idle(self) -> bool:
        """No request uses it or waits for it."""
        return self.in_use == 0 and self.engine.waiting == 0


@dataclass(slots=True, eq=False)
class Ticket:
    """One request for an expert: it waits for its turn, then runs in a replica."""

    expert: str
    arrived: float
    deadline: float
    """Its class's age bound: it should begin before."""
    holder: Any = None
    """What the driver of the machine knows the request by."""
    replica: Replica | None = None
    """Where it runs."""
    began: float = 0.0
    began_share_s: float = 0.0
    """What a request had had of its slot by then."""
    stage: int = FIRST


def add_replica(engine: EngineState, slot: SlotState, now: float = 0.0) -> Replica:
    """Enter a replica that begins to load."""
    replica = Replica(engine, slot, entered=now)
    engine.replicas.append(replica)
    slot.replicas.append(replica)
    return replica


def remove_replica(replica: Replica) -> None:
    """Remove a replica; does nothing when it is gone already."""
    if replica in replica.slot.replicas:
        replica.slot.replicas.remove(replica)
        replica.engine.replicas.remove(replica)
