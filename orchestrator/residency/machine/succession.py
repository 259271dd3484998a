"""Engines come and go while requests run: the part of the machine that a new configuration drives.

An engine that goes is retired: what runs in it ends there, what waits for it is served where it is
ready or on its way in, and is refused elsewhere; then its replicas drain and leave, awake or
asleep. One that comes under the same name takes over whatever waits and whatever is announced, and
is loaded where the other one was. Pure.
"""

import math
from collections.abc import Iterable, Sequence

from orchestrator.residency.machine.admission import AT_ONCE, Admission, Effects
from orchestrator.residency.machine.effects import Gone, Refusal, Reject
from orchestrator.residency.machine.placement import Placement, movable
from orchestrator.residency.machine.policy import Rules, Transition
from orchestrator.residency.machine.queues import EngineQueue
from orchestrator.residency.machine.state import EngineState, Replica, SlotState, Ticket

REQUIRED = "the configuration wants it here"
"""The reason of a planned load for which others have to leave."""
LEFT = "no longer configured"
GIVEN_BACK = "the slot is given back"


class Succession(Admission):
    """Which engines there are."""

    def __init__(
        self, queues: Sequence[EngineQueue], slots: Sequence[SlotState], rules: Rules
    ) -> None:
        super().__init__(queues, slots, rules.rate_window_s)
        self._rules = rules
        self._retired: list[EngineState] = []
        self._some_leave_idle = False
        self._note_idle_bounds()

    def reform(
        self,
        come: Sequence[EngineQueue],
        go: Sequence[EngineState],
        back: Sequence[EngineState],
        now: float,
    ) -> Effects:
        """Engines come and others go, all in one moment.

        One that comes succeeds those of its name that go, or went and have not left yet. Those
        that come `back` are retired, have not left yet, and are configured again just as they were.
        """
        for queue in come:
            self._queues[queue.state] = queue
            queue.state.outlook = self._outlook
        returning = [self._returning(state) for state in back]
        for queue in (*come, *returning):
            self._by_expert.update(dict.fromkeys(queue.experts, queue))
        heirs = {queue.state.name: queue.state for queue in come}
        taken = {expert for queue in (*come, *returning) for expert in queue.experts}
        before = [s for s in self._retired if not taken.isdisjoint(self._queues[s].experts)]
        before += go
        for state in go:
            self._retire(state)
        moved: list[Ticket] = []
        for state in before:
            if (heir := heirs.get(state.name)) is not None:
                heir.continues(state)
                state.succeeded = True
            moved += self._queues[state].clear()
            if self._waiting.get(state.name) is state:
                del self._waiting[state.name]
        for queue in (*come, *returning):
            self._count_announced(queue)
        self._note_idle_bounds()
        self.tick_at = AT_ONCE
        return self._queue_again(moved, now)

    def rebound(self, queue: EngineQueue, like: EngineQueue, now: float) -> Effects:
        """The engine stays, with the bounds that another description of it has."""
        state, told = queue.state, like.state
        state.max_in_flight, state.pinned = told.max_in_flight, told.pinned
        state.max_idle_s = told.max_idle_s
        queue.rebound(like)
        self._note_idle_bounds()
        self.tick_at = AT_ONCE
        return self._admit(queue, now)

    def plan(self, slot: SlotState, engine: EngineState, *, required: bool) -> None:
        """Load an engine as soon as the slot can; where it is `required`, others leave for it."""
        slot.planned.append((engine, REQUIRED if required else "newly configured"))
        self.tick_at = AT_ONCE

    def judged(self, engine: EngineState, now: float) -> Effects:
        """Its trial is over: whoever waits for one that cannot be loaded is refused after all."""
        engine.on_trial = False
        if engine.failed is None or engine.resident or engine.retired:
            return []
        wait_s = max(0.0, engine.retry_at - now)
        return self._reject_all(engine, Refusal.NOT_LOADED, wait_s)

    def room_for(self, slot: SlotState, engine: EngineState, now: float) -> tuple[Replica, ...]:
        """Who leaves so that a required engine has room; nobody where that would not do."""
        placement = Placement([slot], now, self._rules.rate_window_s, None)
        return placement.make_room(slot, engine.memory_gb, movable) or ()

    def _leaving(self) -> list[Transition]:
        """What to begin so that those that are retired leave, and all that closing slots hold."""
        transitions = []
        some = self._retired or any(slot.stale or slot.closing for slot in self.slots)
        for slot in self.slots if some else ():
            if not slot.up or slot.in_transition:
                continue
            if slot.closing:
                if slot.replicas:
                    everything = tuple(slot.replicas)
                    transitions.append(Transition(slot, everything, None, GIVEN_BACK))
                continue
            done = tuple(r for r in slot.replicas if r.engine.retired and not r.engine.waiting)
            if done or slot.stale:
                transitions.append(Transition(slot, done, None, LEFT))
        return transitions

    def _forget_retired(self) -> Effects:
        """Refuse who waits in vain, and drop those of which nothing is left."""
        effects: Effects = []
        for state in tuple(self._retired):
            if state.waiting and not state.keeps_waiting:
                effects += self._reject_all(state, Refusal.GONE)
            if state.replicas or state.waiting:
                continue
            self._retired.remove(state)
            queue = self._queues.pop(state)
            for expert in queue.experts:
                if self._by_expert.get(expert) is queue:
                    del self._by_expert[expert]
            effects.append(Gone(state))
        return effects

    def _returning(self, state: EngineState) -> EngineQueue:
        state.retired = False
        self._retired.remove(state)
        for slot in self.slots:
            slot.stale.discard(state.name)
        return self._queues[state]

    def _retire(self, state: EngineState) -> None:
        state.retired, state.pinned, state.on_trial = True, False, False
        state.expected = state.unhurried = state.followed = 0
        self._retired.append(state)
        self._expected.pop(state.name, None)
        for slot in self.slots:
            slot.planned = [one for one in slot.planned if one[0] is not state]
            if slot.sleeps and state.name in slot.asleep:
                slot.stale.add(state.name)
            elif not slot.sleeps:
                slot.asleep.pop(state.name, None)

    def _count_announced(self, queue: EngineQueue) -> None:
        """What was announced, and still is, for its experts."""
        state, announced = queue.state, self._announced
        hurried = sum(announced[expert, False] for expert in queue.experts)
        state.unhurried = sum(announced[expert, True] for expert in queue.experts)
        state.expected = hurried + state.unhurried
        state.followed = sum(self._followed[expert] for expert in queue.experts)
        if state.expected:
            self._expected[state.name] = state

    def _queue_again(self, tickets: Iterable[Ticket], now: float) -> Effects:
        """Those that waited for engines that go: where their experts are now, or nowhere."""
        effects: Effects = []
        found: dict[EngineQueue, None] = {}
        for ticket in tickets:
            queue = self._by_expert.get(ticket.expert)
            if queue is None or not queue.state.keeps_waiting:
                effects.append(Reject(ticket, Refusal.GONE))
                continue
            if not queue.state.resident and self._too_large(queue.state):
                effects.append(Reject(ticket, Refusal.TOO_LARGE))
                continue
            queue.enqueue(ticket)
            self._waiting[queue.state.name] = queue.state
            found[queue] = None
        for queue in found:
            effects += self._admit(queue, now)
        return effects

    def _note_idle_bounds(self) -> None:
        self._some_leave_idle = any(state.max_idle_s < math.inf for state in self._queues)
