"""Random events for the residency machine, driven as a pool would, and what always holds."""

import math
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from orchestrator.residency.machine.costs import FIELDS, Costs
from orchestrator.residency.machine.effects import (
    Abort,
    Begin,
    Effect,
    End,
    Forget,
    Gone,
    Grant,
    Load,
    Reject,
    Unload,
)
from orchestrator.residency.machine.machine import Bounds, Machine
from orchestrator.residency.machine.policy import AHEAD, Rules, Transition
from orchestrator.residency.machine.queues import EngineQueue
from orchestrator.residency.machine.state import (
    CHOICE,
    FIRST,
    EngineState,
    Phase,
    Replica,
    SlotState,
    Ticket,
)

BUDGET_GB = 4.0
KEPT = 0.3
"""Of its memory, what an engine that sleeps holds."""
DRAIN_TIMEOUT_S = 6.0
# Quarters are exact in binary, so that sums are, too. What is larger than a slot is refused.
GB = st.integers(1, 18).map(lambda quarters: quarters / 4)
ENDS = ["well", "well", "well", "fails", "short", "overruns"]
SECONDS = st.sampled_from([0.0, 0.25, 1.0, 4.0, 30.0])
NUMBER = st.integers(0, 20)


class Pool(RuleBasedStateMachine):
    """Drives the machine, and knows by itself what is true."""

    @initialize(
        sizes=st.lists(st.tuples(GB, st.integers(1, 3), st.booleans()), min_size=2, max_size=5),
        slots=st.integers(1, 3),
        sleeps=st.booleans(),
        max_idle_s=st.sampled_from([2.0, math.inf]),
    )
    def begin(self, sizes: Any, slots: int, sleeps: bool, max_idle_s: float) -> None:
        self.now = 100.0
        self.max_idle_s = max_idle_s
        self.queues = [
            self.make(f"e{number}", memory_gb, limit, f"a{number}" if adapter else None)
            for number, (memory_gb, limit, adapter) in enumerate(sizes)
        ]
        """In the order in which they came; those that have left are not there any more."""
        self.slots = [SlotState(f"s{n}", BUDGET_GB, sleeps=sleeps) for n in range(slots)]
        bounds = Bounds(DRAIN_TIMEOUT_S, retry_load_s=1.0, retry_load_max_s=8.0)
        self.machine = Machine(self.queues, self.slots, rules=Rules(2.0, 60.0), bounds=bounds)
        self.experts = [expert for queue in self.queues for expert in queue.experts]
        self.waiting: list[Ticket] = []
        self.running: list[Ticket] = []
        self.over: list[Ticket] = []
        self.announced: list[tuple[str, bool]] = []
        """Experts that running requests will ask."""
        self.undecided = 0
        self.answers: dict[Ticket, int] = {}
        self.pending: dict[str, Load | Unload | Forget] = {}
        self.held: dict[str, set[EngineState]] = {slot.id: set() for slot in self.slots}
        """What really takes memory in the slots."""
        self.sleeping: dict[str, dict[str, float]] = {slot.id: {} for slot in self.slots}
        """And what engines that sleep still take."""

    def make(self, name: str, memory_gb: float, limit: int, adapter: str | None) -> EngineQueue:
        limits = {name: limit} | ({adapter: 1} if adapter is not None else {})
        costs = Costs(1.0, 0.5, 0.0, 0.5, known=set(FIELDS))
        bound = sum(limits.values())
        state = EngineState(name, memory_gb, bound, max_idle_s=self.max_idle_s, costs=costs)
        return EngineQueue(state, limits, dict.fromkeys(limits, 4))

    def owner(self, expert: str) -> EngineQueue | None:
        """Who answers for an expert: the one that has come last."""
        return next((q for q in reversed(self.queues) if expert in q.experts), None)

    # What the driver does.

    def apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Grant(ticket) | Reject(ticket):
                    self.answers[ticket] = self.answers.get(ticket, 0) + 1
                    if ticket in self.waiting:
                        self.waiting.remove(ticket)
                    (self.running if isinstance(effect, Grant) else self.over).append(ticket)
                case Abort(_, tickets):
                    for ticket in tickets:
                        self.running.remove(ticket)
                        self.over.append(ticket)
                case Begin(transition) if transition.reason == AHEAD:
                    self.check_ahead(transition)
                case Unload() | Load() | Forget():
                    self.begin_work(effect)
                case End(slot):
                    assert slot.id not in self.pending
                    assert all(replica.phase is Phase.READY for replica in slot.replicas)
                case Gone(state):
                    (left,) = (queue for queue in self.queues if queue.state is state)
                    assert state.retired
                    assert not state.replicas
                    self.queues.remove(left)

    def begin_work(self, effect: Unload | Load | Forget) -> None:
        slot = effect.slot if isinstance(effect, Forget) else effect.replica.slot
        assert slot.id not in self.pending, "one at a time"
        self.pending[slot.id] = effect
        if isinstance(effect, Forget):
            assert effect.engine in self.sleeping[slot.id]
        elif isinstance(effect, Load):
            self.begin_load(effect.replica)

    def check_ahead(self, transition: Transition) -> None:
        """What nobody waits for holds up nobody who does."""
        engine, slot = transition.engine, transition.slot
        assert engine is not None
        assert engine.expected
        assert not engine.waiting
        for replica in transition.leaving:
            assert replica.idle
            assert not replica.engine.expected
        moving = {replica.engine for slot in self.slots for replica in slot.replicas}
        assert not any(
            queue.state.waiting and queue.state not in moving and slot.could_hold(queue.state)
            for queue in self.queues
            if not queue.state.retired
        )

    def begin_load(self, replica: Replica) -> None:
        held = self.held[replica.slot.id]
        assert not replica.engine.retired or replica.phase is not Phase.LOADING
        assert replica.engine.name not in {engine.name for engine in held}, "it is there already"
        assert replica.engine.name not in replica.slot.stale, "another one of its name sleeps there"
        held.add(replica.engine)
        sleeping = self.sleeping[replica.slot.id]
        sleeping.pop(replica.engine.name, None)
        held_gb = sum(e.memory_gb for e in held) + sum(sleeping.values())
        assert replica.slot.base_gb + held_gb <= BUDGET_GB + 1e-6

    def told(self, effects: list[Effect]) -> None:
        """Apply, and tick for as long as the machine wants to at this moment."""
        self.apply(effects)
        for _ in range(20):
            if self.machine.tick_at > self.now:
                return
            self.apply(self.machine.tick(self.now))
        raise AssertionError("it never comes to rest")

    @rule(
        number=NUMBER,
        bound_s=st.sampled_from([1.0, 5.0, math.inf]),
        stage=st.sampled_from([CHOICE, FIRST, FIRST, FIRST + 1]),
    )
    def arrive(self, number: int, bound_s: float, stage: int) -> None:
        expert = self.experts[number % len(self.experts)]
        ticket = Ticket(expert, self.now, self.now + bound_s, stage=stage)
        self.waiting.append(ticket)
        self.told(self.machine.arrived(ticket, self.now))

    @rule(number=NUMBER, unhurried=st.booleans())
    def announce(self, number: int, unhurried: bool) -> None:
        self.announced.append((self.experts[number % len(self.experts)], unhurried))
        self.machine.expects(*self.announced[-1])
        self.told([])

    @precondition(lambda self: self.announced)
    @rule(number=NUMBER)
    def withdraw(self, number: int) -> None:
        self.machine.expects_no_more(*self.announced.pop(number % len(self.announced)))
        self.told([])

    @rule()
    def begin_choosing(self) -> None:
        self.undecided += 1
        self.machine.begins_choosing()
        self.told([])

    @precondition(lambda self: self.undecided)
    @rule()
    def choose(self) -> None:
        self.undecided -= 1
        self.machine.has_chosen()
        self.told([])

    @precondition(lambda self: self.running)
    @rule(number=NUMBER)
    def finish(self, number: int) -> None:
        ticket = self.running.pop(number % len(self.running))
        self.over.append(ticket)
        self.told(self.machine.finished(ticket, self.now))

    @precondition(lambda self: self.over)
    @rule(number=NUMBER)
    def finish_again(self, number: int) -> None:
        """A holder that learns late of an abort, or of a dead slot."""
        self.told(self.machine.finished(self.over[number % len(self.over)], self.now))

    @precondition(lambda self: self.waiting)
    @rule(number=NUMBER)
    def cancel(self, number: int) -> None:
        ticket = self.waiting.pop(number % len(self.waiting))
        self.over.append(ticket)
        self.answers[ticket] = 1
        self.told(self.machine.cancelled(ticket, self.now))

    @precondition(lambda self: self.running)
    @rule(number=NUMBER)
    def cancel_as_the_turn_comes(self, number: int) -> None:
        ticket = self.running.pop(number % len(self.running))
        self.over.append(ticket)
        self.told(self.machine.cancelled(ticket, self.now))

    @precondition(lambda self: self.pending)
    @rule(
        number=NUMBER, end=st.sampled_from(["well", "well", "well", "fails", "short", "overruns"])
    )
    def go_on(self, number: int, end: str) -> None:
        slot = sorted(self.pending)[number % len(self.pending)]
        effect = self.pending.pop(slot)
        if isinstance(effect, Forget):
            del self.sleeping[slot][effect.engine]
            self.told(self.machine.forgotten(effect.slot, effect.engine))
            return
        replica = effect.replica
        if isinstance(effect, Unload):
            self.end_unload(effect, end)
        elif end == "well":
            self.told(self.machine.loaded(replica, self.now))
        elif end == "overruns":
            self.told(self.machine.load_failed(replica, end, self.now, gone=False))
        else:
            self.held[slot].remove(replica.engine)
            tell = self.machine.memory_short if end == "short" else self.machine.load_failed
            self.told(tell(replica, end, self.now))

    def end_unload(self, effect: Unload, end: str) -> None:
        replica = effect.replica
        if end in ("well", "short"):
            self.held[replica.slot.id].remove(replica.engine)
            asleep_gb = None
            if effect.may_sleep and replica.slot.sleeps and end == "well":
                asleep_gb = KEPT * replica.engine.memory_gb
                self.sleeping[replica.slot.id][replica.engine.name] = asleep_gb
            self.told(self.machine.left(replica, asleep_gb))
        else:
            self.told(self.machine.unload_failed(replica, end, self.now))

    @rule(number=NUMBER)
    def die(self, number: int) -> None:
        slot = self.slots[number % len(self.slots)]
        lost = [t for t in self.running if t.replica is not None and t.replica.slot is slot]
        self.running = [ticket for ticket in self.running if ticket not in lost]
        self.over += lost
        self.pending.pop(slot.id, None)
        self.held[slot.id].clear()
        self.sleeping[slot.id].clear()
        self.told(self.machine.slot_lost(slot, self.now))

    @rule(number=NUMBER, base_gb=st.sampled_from([0.0, 0.0, 1.0]))
    def come_back(self, number: int, base_gb: float) -> None:
        slot = self.slots[number % len(self.slots)]
        if not slot.up:
            self.told(self.machine.slot_up(slot, base_gb))

    @rule(number=NUMBER)
    def suspect(self, number: int) -> None:
        replicas = [replica for slot in self.slots for replica in slot.replicas]
        if replicas:
            self.told(self.machine.drop(replicas[number % len(replicas)], self.now))

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.machine.tick_at <= until:
            self.now = max(self.now, self.machine.tick_at)
            self.told([])
        self.now = until

    # What always holds.

    @invariant()
    def everybody_is_answered_once(self) -> None:
        assert set(self.answers.values()) <= {1}
        assert not any(ticket in self.answers for ticket in self.waiting)

    @invariant()
    def counts_reconcile(self) -> None:
        for queue in self.queues:
            state = queue.state
            waiting = [t for t in self.waiting if self.owner(t.expert) is queue]
            assert state.waiting == len(waiting)
            assert state.oldest == min((t.arrived for t in waiting), default=math.inf)
            assert state.deadline == min((t.deadline for t in waiting), default=math.inf)
            announced = [] if state.retired else self.announced
            own = [unhurried for expert, unhurried in announced if expert in queue.experts]
            assert (state.expected, state.unhurried) == (len(own), sum(own))
            assert state.outlook.undecided == self.undecided
            stages = [ticket.stage for ticket in waiting]
            assert state.stages == {stage: stages.count(stage) for stage in stages}
            for expert in queue.experts:
                assert queue.queued[expert] == sum(t.expert == expert for t in waiting)
                running = [t for t in self.running if t.replica and t.replica.engine is state]
                assert queue.running[expert] == sum(t.expert == expert for t in running)
            for replica in state.replicas:
                here = {t for t in self.running if t.replica is replica}
                assert replica.running == here
                assert replica.in_use == len(here) <= state.max_in_flight

    @invariant()
    def memory_is_counted(self) -> None:
        for slot in self.slots:
            names = [replica.engine.name for replica in slot.replicas]
            assert len(set(names)) == len(names)
            assert self.held[slot.id] <= {replica.engine for replica in slot.replicas}
            held_gb = sum(engine.memory_gb for engine in self.held[slot.id])
            held_gb += sum(self.sleeping[slot.id].values())
            assert slot.base_gb + held_gb <= slot.used_gb + slot.reserved_gb + 1e-6
            assert slot.in_transition or all(r.phase is Phase.READY for r in slot.replicas)
            assert slot.in_transition or slot.id not in self.pending

    @invariant()
    def no_request_waits_beside_a_replica_that_admits_it(self) -> None:
        for queue in self.queues:
            for waiting in queue.heads:
                assert queue.admitting(waiting) is None

    @invariant()
    def who_waits_for_what_is_gone_is_told_so(self) -> None:
        for state in (queue.state for queue in self.queues if queue.state.retired):
            assert not state.waiting or state.resident

    @invariant()
    def nothing_starves_past_its_bound_while_a_slot_could_serve_it(self) -> None:
        for state in (queue.state for queue in self.queues):
            if state.deadline > self.now or state.resident or state.retry_at > self.now:
                continue
            assert not state.retired
            for slot in (slot for slot in self.slots if slot.up and not slot.in_transition):
                later = [r for r in slot.replicas if r.engine.deadline > state.deadline]
                room_gb = slot.free_gb + slot.asleep_gb + sum(r.engine.memory_gb for r in later)
                assert room_gb < state.memory_gb

    @invariant()
    def no_drain_outlasts_its_deadline(self) -> None:
        for slot in self.slots:
            began = [r.slot.id for r in slot.replicas if r.phase is Phase.DRAINING and r.in_use]
            assert not began or self.machine.tick_at <= self.now + DRAIN_TIMEOUT_S

    def teardown(self) -> None:
        """Left alone in good luck, all requests are served or refused.

        Nothing that is announced and never comes keeps those that wait from it.
        """
        if not hasattr(self, "machine"):
            return
        for number in range(len(self.slots)):
            self.come_back(number, 0.0)
        for _ in range(500):
            retired = [queue.state for queue in self.queues if queue.state.retired]
            if not self.waiting and not retired:
                return
            if self.running:
                self.finish(0)
            elif self.pending:
                self.go_on(0, "well")
            else:
                assert self.machine.tick_at < math.inf, "they are left waiting"
                self.wait(max(0.0, self.machine.tick_at - self.now))
        raise AssertionError("they wait without end")
