"""The pool's state machine: events in, effects out, the time an argument. Pure.

It queues requests, admits them, keeps count, and takes slots through their transitions. The live
scheduler drives it with requests and Ray calls, the simulator with a heap of events. Every event
returns what its driver must do; the driver calls `tick` when the clock reaches `tick_at`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.residency.machine.admission import AT_ONCE, Effects
from orchestrator.residency.machine.effects import Begin, End, MakeRoom, Refusal, Vacant
from orchestrator.residency.machine.policy import AHEAD, DUE, Policy, Rules, Transition, decide
from orchestrator.residency.machine.progress import Progress, begin
from orchestrator.residency.machine.queues import EngineQueue
from orchestrator.residency.machine.state import (
    EngineState,
    Phase,
    Replica,
    SlotState,
    add_replica,
    remove_replica,
)
from orchestrator.residency.machine.succession import REQUIRED, Succession

LOST_LOADS = 2
"""An engine whose loads ended their slot's process so often in a row is to blame for it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a drain may take, and when a failed load is tried again."""

    drain_timeout_s: float = math.inf
    retry_load_s: float = 1.0
    retry_load_max_s: float = 120.0


class Machine(Succession):
    """All engines and slots of a pool."""

    def __init__(
        self,
        queues: Sequence[EngineQueue],
        slots: Sequence[SlotState],
        policy: Policy = decide,
        rules: Rules | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self._policy = policy
        super().__init__(queues, slots, rules or Rules())
        self.filling = False
        """Whether it loads what was planned for the start; until then, nothing leaves."""
        self._bounds = bounds or Bounds()
        self._progress: dict[str, Progress] = {}

    # Time.

    def tick(self, now: float) -> Effects:
        """Begin what is due: planned loads, then what the policy decides; end long drains."""
        self.tick_at = recheck_at = math.inf
        if self._stopped or self._winding_down:
            return self._relieve(self.slots, now)
        effects = self._end_long_drains(now) + self._forget_retired() + self._vacated()
        for transition in self._leaving():
            effects += self._begin(transition, now, may_sleep=False)
        effects += self._load_planned(now)
        if not self.filling and self._something_to_decide():
            known = {**self._waiting, **self._expected}.values()
            concerned = tuple(state for state in known if not state.retired)
            decision = self._policy(self.slots, concerned, now, self._rules)
            recheck_at = decision.recheck_at
            for transition in decision.transitions:
                # What begins where engines take turns slows a load down that must not be late.
                in_turns = transition.reason == DUE and transition.slot.load_blocks
                effects += self._begin(transition, now, crowded=in_turns or decision.crowded)
        effects += self._relieve((slot for slot in self.slots if not slot.in_transition), now)
        due = (progress.due_at for progress in self._progress.values())
        self.tick_at = min(self.tick_at, recheck_at, *due)
        return effects

    def _relieve(self, slots: Iterable[SlotState], now: float) -> Effects:
        """No load is late there any more, so everything may begin again."""
        effects: Effects = []
        for slot in slots:
            if slot.crowded:
                slot.crowded = False
                for replica in slot.replicas:
                    effects += self._admit(self._queues[replica.engine], now)
        return effects

    def _vacated(self) -> Effects:
        """Slots that are given back, and hold nothing any more."""
        closing = (slot for slot in self.slots if slot.closing and not slot.in_transition)
        vacant = [slot for slot in closing if not slot.replicas]
        for slot in vacant:
            slot.up = slot.closing = False
            for kept in (slot.planned, slot.asleep, slot.stale):
                kept.clear()
            slot.recount()
        return [Vacant(slot) for slot in vacant]

    def _something_to_decide(self) -> bool:
        if all(slot.in_transition or not slot.up for slot in self.slots):
            return False
        if self._waiting or self._expected or self._some_leave_idle:
            return True
        return any(slot.free_gb < 0 for slot in self.slots)

    def _end_long_drains(self, now: float) -> Effects:
        effects: Effects = []
        for progress in tuple(self._progress.values()):
            for abort in progress.overdue(now):
                # Nor do those come back who may begin here, and do not say that they will not.
                abort.replica.lent.clear()
                effects.append(abort)
                for ticket in abort.tickets:
                    effects += self._end(ticket, now)
                if not abort.tickets:
                    effects += self._step(progress.slot)
            if progress.retry_at <= now:
                progress.retry_at = math.inf
                effects += self._step(progress.slot)
        return effects

    def _load_planned(self, now: float) -> Effects:
        effects: Effects = []
        for slot in self.slots:
            while slot.planned and slot.up and not slot.in_transition and not slot.closing:
                engine, reason = slot.planned.pop(0)
                if engine.retired or engine.replicas or engine.retry_at > now:
                    continue
                fits = slot.free_gb + slot.asleep_gb >= engine.memory_gb
                leaving = () if fits or reason != REQUIRED else self.room_for(slot, engine, now)
                if fits or leaving:
                    effects += self._begin(Transition(slot, leaving, engine, reason), now)
        if self.filling:
            self.filling = any(s.up and (s.planned or s.in_transition) for s in self.slots)
        return effects

    def wind_down(self) -> Effects:
        """Load nothing any more: who waits for a load is refused, who waits for a turn is not."""
        self._winding_down = True
        effects: Effects = []
        for state in tuple(self._waiting.values()):
            if not state.serves:
                effects += self._reject_all(state, Refusal.STOPPING)
        return effects

    def stop(self, why: str) -> Effects:
        """Nothing begins any more."""
        self._stopped = True
        effects: Effects = []
        for queue in self._queues.values():
            queue.state.failed = why
            effects += self._reject_all(queue.state, Refusal.NOT_LOADED)
        return effects

    # Slots.

    def fill(self, plan: Sequence[tuple[SlotState, EngineState]]) -> None:
        """Load these before anything else is decided."""
        for slot, engine in plan:
            slot.planned.append((engine, "preload"))
        self.filling, self.tick_at = True, AT_ONCE

    def slot_up(self, slot: SlotState, base_gb: float) -> Effects:
        """A slot's process runs, with no engine in it yet; it may be larger than the last one."""
        slot.up, slot.base_gb = True, base_gb
        slot.recount()
        self.tick_at = AT_ONCE
        effects: Effects = []
        for state in tuple(self._waiting.values()):
            if not state.resident and self._too_large(state):
                effects += self._reject_all(state, Refusal.TOO_LARGE)
        return effects

    def adopt(self, slot: SlotState, engine: EngineState, now: float) -> Effects:
        """An engine is resident that was loaded earlier: by another machine, or before a cut."""
        replica = add_replica(engine, slot, now)
        replica.phase, replica.since, replica.last_used = Phase.READY, now, now
        slot.recount()
        return self._admit(self._queues[engine], now)

    def vacate(self, slot: SlotState) -> None:
        """Let all that is resident leave the slot, and nothing come: it is given back."""
        slot.closing, self.tick_at = True, AT_ONCE
        slot.planned.clear()

    def slot_lost(self, slot: SlotState, now: float, *, cut: bool = False) -> Effects:
        """A slot's process has died, with everything in it; may be told more than once.

        Or it is `cut` off: it may hold what it held, but nobody reaches it.
        """
        slot.up = slot.in_transition = False
        progress = self._progress.pop(slot.id, None)
        held: set[EngineState] = set()
        for replica in tuple(slot.replicas):
            for ticket in tuple(replica.running):
                self._queues[replica.engine].end(ticket, now)
            remove_replica(replica)
            if not replica.engine.retired:
                held.add(replica.engine)
        in_order = sorted(held, key=lambda engine: (-engine.waiting, engine.name))
        slot.planned[:0] = [(engine, "was here before") for engine in in_order]
        slot.asleep.clear()
        slot.stale.clear()
        slot.recount()
        self.tick_at = AT_ONCE
        if progress is None:
            return []
        return [End(slot)] if cut else [End(slot), *self._blame(progress, now)]

    def drop(self, replica: Replica, now: float) -> Effects:
        """A replica is broken: it leaves, and does not sleep, since it would wake broken."""
        slot = replica.slot
        there = replica in slot.replicas and replica.phase is Phase.READY
        if not there or not slot.up or slot.in_transition:
            return []
        return self._begin(Transition(slot, (replica,), None, "not healthy"), now, False)

    def reform(
        self,
        come: Sequence[EngineQueue],
        go: Sequence[EngineState],
        back: Sequence[EngineState],
        now: float,
    ) -> Effects:
        """Engines come and others go, all in one moment; no load of one that goes begins."""
        effects = super().reform(come, go, back, now)
        for progress in tuple(self._progress.values()):
            coming = progress.coming
            if coming is not None and coming.engine.retired and not progress.loading:
                effects += self._call_off(progress, now)
        return effects

    # Transitions.

    def left(self, replica: Replica, asleep_gb: float | None = None) -> Effects:
        """A replica has left its slot, or sleeps there and still holds `asleep_gb`."""
        if (progress := self._progress_of(replica)) is None:
            return []
        progress.left(replica, asleep_gb)
        return self._step(replica.slot)

    def forgotten(self, slot: SlotState, engine: str) -> Effects:
        """An engine that slept has been dropped, or was not there."""
        progress = self._progress.get(slot.id)
        if progress is None or progress.forgetting != engine:
            return []  # The slot has died since.
        progress.forgotten(engine)
        return self._step(slot)

    def unload_failed(self, replica: Replica, reason: str, now: float) -> Effects:
        """A replica could not be unloaded: as far as can be told, it is still there."""
        if (progress := self._progress_of(replica)) is None:
            return []
        if replica is progress.remains or replica.engine.retired:
            progress.unloading, progress.retry_at = None, now + self._bounds.retry_load_s
            self.tick_at = min(self.tick_at, progress.retry_at)
            return []
        staying, coming = progress.stay(now), progress.give_up(gone=True)
        effects = self._step(replica.slot)
        if coming is not None:
            effects += self._failed(coming.engine, reason, now)
        for one in staying:
            effects += self._admit(self._queues[one.engine], now)
        return effects

    def loaded(self, replica: Replica, now: float) -> Effects:
        """A replica is ready."""
        progress, engine, slot = self._progress_of(replica), replica.engine, replica.slot
        if progress is None:
            return []
        progress.coming, progress.loading = None, False
        replica.phase, replica.since, replica.last_used = Phase.READY, now, now
        engine.failed, engine.failures_in_a_row, engine.losses_in_a_row = None, 0, 0
        if not slot.sleeps and not engine.retired:
            slot.asleep[engine.name] = 0.0  # From now on, its files and classes are warm here.
        # If another load is due, it would have to wait for all that begins now: what has no age
        # bound begins when it is known what is next.
        waiting = self._waiting.values()
        slot.crowded |= any(one.deadline < math.inf and not one.resident for one in waiting)
        return self._step(slot) + self._admit(self._queues[engine], now)

    def memory_short(self, replica: Replica, reason: str, now: float) -> Effects:
        """A load found too little memory: once more, with everything gone that may leave."""
        if (progress := self._progress_of(replica)) is None:
            return []
        guess = replica.engine.ahead and not replica.engine.waiting
        if guess or replica.engine.retired:
            progress.give_up(gone=True)  # For a guess, nobody has to leave.
            self.tick_at = AT_ONCE
            return self._step(replica.slot)
        if progress.make_room(now + self._bounds.drain_timeout_s):
            self.tick_at = AT_ONCE  # Other slots may serve those that wait for what leaves.
            return [MakeRoom(replica), *self._step(replica.slot)]
        return self.load_failed(replica, reason, now)

    def load_failed(self, replica: Replica, reason: str, now: float, gone: bool = True) -> Effects:
        """Only this engine fails, and is tried again after a while.

        `gone`: it is known that nothing of it is left in the slot. Else it takes memory until it
        has been unloaded.
        """
        if (progress := self._progress_of(replica)) is None:
            return []
        progress.give_up(gone)
        return self._step(replica.slot) + self._failed(replica.engine, reason, now)

    def _progress_of(self, replica: Replica) -> Progress | None:
        """None where the slot has died since, and the replica with it."""
        there = replica in replica.slot.replicas
        return self._progress.get(replica.slot.id) if there else None

    def _begin(
        self, transition: Transition, now: float, may_sleep: bool = True, crowded: bool = False
    ) -> Effects:
        drain_by = now + self._bounds.drain_timeout_s
        slot = transition.slot
        if transition.engine is not None:
            transition.engine.ahead = transition.reason == AHEAD
        self._progress[slot.id] = begin(transition, drain_by, may_sleep, now)
        self.tick_at = min(self.tick_at, self._progress[slot.id].due_at)
        if any(replica.engine.waiting for replica in transition.leaving):
            self.tick_at = AT_ONCE  # Another slot may serve them.
        effects = [Begin(transition), *self._step(slot)]
        if not crowded:
            return effects + self._relieve((slot,), now)
        slot.crowded = True
        return effects

    def _call_off(self, progress: Progress, now: float) -> Effects:
        """Nothing comes after all: those that were to leave for it stay, if none has yet."""
        progress.give_up(gone=True)
        staying = progress.stay(now) if progress.is_idle else []
        effects = self._step(progress.slot)
        for replica in staying:
            effects += self._admit(self._queues[replica.engine], now)
        return effects

    def _step(self, slot: SlotState) -> Effects:
        progress = self._progress.get(slot.id)
        effects: Effects = [] if progress is None else progress.step()
        if effects and isinstance(effects[0], End):
            del self._progress[slot.id]
            slot.in_transition = False
            slot.recount()
            self.tick_at = AT_ONCE
        return effects

    def _blame(self, progress: Progress, now: float) -> Effects:
        """A slot died; an engine that was loading may be why."""
        if progress.coming is None or not progress.loading:
            return []
        engine = progress.coming.engine
        engine.losses_in_a_row += 1
        if engine.losses_in_a_row < LOST_LOADS:
            return []
        engine.losses_in_a_row = 0
        return self._failed(engine, "its slot's process died while it was loading", now)

    def _failed(self, engine: EngineState, reason: str, now: float) -> Effects:
        engine.failed = reason
        engine.failures += 1
        engine.failures_in_a_row += 1
        doubled = self._bounds.retry_load_s * 2.0 ** min(engine.failures_in_a_row - 1, 20)
        wait_s = min(doubled, self._bounds.retry_load_max_s)
        engine.retry_at = now + wait_s
        # Where another replica serves, the requests wait for that; on trial, for the judgement.
        if engine.resident or engine.on_trial:
            return []
        return self._reject_all(engine, Refusal.NOT_LOADED, wait_s)
