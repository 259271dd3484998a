"""How far a slot's transition has come: drain, leave, load. Pure."""

import math
from dataclasses import dataclass

from orchestrator.residency.machine.effects import Abort, Effect, End, Forget, Load, Unload
from orchestrator.residency.machine.policy import Transition
from orchestrator.residency.machine.state import (
    Phase,
    Replica,
    SlotState,
    add_replica,
    remove_replica,
)

ROUNDING_GB = 1e-6
"""Sums of sizes differ in their last digits."""


@dataclass(slots=True, eq=False)
class Progress:
    """A transition under way; its replicas are entered in the state at once."""

    slot: SlotState
    leaving: list[Replica]
    coming: Replica | None
    drain_by: float
    may_sleep: bool = True
    unloading: Replica | None = None
    forgetting: str | None = None
    """The engine that sleeps no longer."""
    loading: bool = False
    made_room: bool = False
    """Memory was short, and all that may leave had to."""
    remains: Replica | None = None
    """What a failed load may have left behind: it takes memory until it is known to be gone."""
    retry_at: float = math.inf
    """When to try again to unload that."""

    @property
    def due_at(self) -> float:
        """When time alone changes something."""
        return min(self.drain_by if self._draining else math.inf, self.retry_at)

    @property
    def _draining(self) -> bool:
        return not self.loading and any(replica.busy for replica in self.leaving)

    def step(self) -> list[Effect]:
        """What the slot does next; nothing while it is at work, or drains."""
        if not self.is_idle:
            return []
        drained = next((replica for replica in self.leaving if not replica.busy), None)
        if drained is not None:
            self.unloading = drained
            may_sleep = self.may_sleep and not drained.engine.retired
            return [Unload(drained, may_sleep and drained is not self.remains)]
        if self.leaving:
            return []
        if (sleeper := self._sleeper_in_the_way()) is not None:
            self.forgetting = sleeper
            return [Forget(self.slot, sleeper)]
        if self.coming is not None:
            self.loading = True
            self.slot.recount()
            return [self._load(self.coming)]
        return [End(self.slot)]

    @property
    def is_idle(self) -> bool:
        """Whether the slot waits for requests to end, and does nothing."""
        at_work = self.loading or self.unloading is not None or self.forgetting is not None
        return not at_work and self.retry_at == math.inf

    def _sleeper_in_the_way(self) -> str | None:
        """One that must go, or that has slept longest where the memory of sleepers is needed."""
        if self.slot.stale:
            return min(self.slot.stale)
        own = self.coming.engine.name if self.coming is not None else None
        # What the coming one still holds is a part of what it needs.
        if self.slot.free_gb + self.slot.asleep.get(own or "", 0.0) >= -ROUNDING_GB:
            return None
        held = (name for name, gb in self.slot.asleep.items() if gb > 0 and name != own)
        return next(held, None)

    def forgotten(self, engine: str) -> None:
        """An engine that slept has been dropped."""
        self.forgetting = None
        self.slot.asleep.pop(engine, None)
        self.slot.stale.discard(engine)
        self.slot.recount()

    def _load(self, coming: Replica) -> Load:
        name, slot = coming.engine.name, self.slot
        warm = name in slot.asleep
        if slot.sleeps:
            slot.asleep.pop(name, None)  # Awake or gone: it sleeps no longer.
            slot.recount()
        return Load(coming, warm)

    def overdue(self, now: float) -> list[Abort]:
        """The requests that have drained for too long."""
        if not self._draining or self.drain_by > now:
            return []
        return [Abort(r, tuple(r.running)) for r in self.leaving if r.busy]

    def left(self, replica: Replica, asleep_gb: float | None) -> None:
        """The replica is gone, or sleeps and still holds so much."""
        remove_replica(replica)
        self.leaving.remove(replica)
        self.unloading = None
        if asleep_gb is not None:
            self.slot.asleep[replica.engine.name] = asleep_gb
            if replica.engine.retired:
                self.slot.stale.add(replica.engine.name)
        self.slot.recount()

    def stay(self, now: float) -> list[Replica]:
        """Replicas that should have left still serve, as far as can be told; returns them."""
        staying, self.leaving, self.unloading = self.leaving, [], None
        for replica in staying:
            replica.phase, replica.last_used = Phase.READY, now
        return staying

    def make_room(self, drain_by: float) -> bool:
        """Memory was short: everything that may leave does. False if that was tried before."""
        if self.made_room:
            return False
        self.made_room, self.loading, self.drain_by = True, False, drain_by
        for replica in self.slot.replicas:
            if replica.phase is Phase.READY and not replica.engine.pinned:
                replica.phase = Phase.DRAINING
                self.leaving.append(replica)
        self.slot.recount()
        return True

    def give_up(self, gone: bool) -> Replica | None:
        """Nothing comes any more; unless it is `gone`, what was loaded so far must leave."""
        coming, self.coming = self.coming, None
        started, self.loading = self.loading, False
        if coming is None:
            return None
        if gone or not started:
            remove_replica(coming)
        else:
            coming.phase, self.remains = Phase.DRAINING, coming
            self.leaving.append(coming)
        self.slot.recount()
        return coming


def begin(transition: Transition, drain_by: float, may_sleep: bool, now: float) -> Progress:
    """Enter a transition in the state."""
    slot = transition.slot
    assert not slot.in_transition, f"{slot.id} is in transition already"
    slot.in_transition = True
    for replica in transition.leaving:
        replica.phase = Phase.DRAINING
        replica.drains_from = now if replica.in_use else math.inf
    coming = None
    if transition.engine is not None:
        assert all(r.slot is not slot for r in transition.engine.replicas), f"{slot.id} has it"
        staying = (r.engine.name for r in slot.replicas if r not in transition.leaving)
        assert transition.engine.name not in staying, f"{slot.id} has one of that name"
        coming = add_replica(transition.engine, slot, now)
    slot.recount()
    return Progress(slot, list(transition.leaving), coming, drain_by, may_sleep)
