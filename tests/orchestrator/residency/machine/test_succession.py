"""Engines come and go, event by event."""

import math

from orchestrator.residency.machine.costs import FIELDS, Costs
from orchestrator.residency.machine.effects import (
    Begin,
    End,
    Forget,
    Gone,
    Grant,
    Load,
    Refusal,
    Reject,
    Unload,
)
from orchestrator.residency.machine.machine import AT_ONCE, Bounds, Machine
from orchestrator.residency.machine.queues import EngineQueue
from orchestrator.residency.machine.state import EngineState, SlotState, Ticket


def queue(name: str, *others: str, limit: int = 1, gb: float = 3.0) -> EngineQueue:
    costs = Costs(1.0, 1.0, 0.0, 0.5, set(FIELDS))
    names = (name, *others)
    state = EngineState(name, gb, limit * len(names), costs=costs)
    return EngineQueue(state, dict.fromkeys(names, limit))


class Pool:
    """A machine over one slot of 4 GB, in which its first engine, of 3 GB, is ready."""

    def __init__(self, *queues: EngineQueue, sleeps: bool = False) -> None:
        self.slot = SlotState("s", 4.0, sleeps=sleeps)
        self.machine = Machine(queues, [self.slot], bounds=Bounds(60.0))
        self.load(queues[0])

    def arrive(self, name: str, now: float = 0.0) -> tuple[Ticket, list[object]]:
        ticket = Ticket(name, now, math.inf)
        return ticket, list(self.machine.arrived(ticket, now))

    def load(self, wanted: EngineQueue) -> None:
        self.machine.plan(self.slot, wanted.state, required=True)
        for effect in self.machine.tick(0.0):
            if isinstance(effect, Load):
                self.machine.loaded(effect.replica, 0.0)
        self.machine.tick(0.0)

    def reform(self, come: list[EngineQueue], go: list[EngineQueue]) -> list[object]:
        effects = self.machine.reform(come, [one.state for one in go], [], 1.0)
        while self.machine.tick_at == AT_ONCE:
            effects += self.machine.tick(1.0)
        return list(effects)


def kinds(effects: list[object]) -> list[type]:
    return [type(effect) for effect in effects]


def test_one_that_goes_is_unloaded_and_never_sleeps() -> None:
    a = queue("a")
    pool = Pool(a, sleeps=True)
    begin, unload = pool.reform([], [a])
    assert isinstance(begin, Begin)
    assert isinstance(unload, Unload)
    assert not unload.may_sleep
    assert kinds(pool.machine.left(unload.replica)) == [End]
    assert pool.machine.tick(1.0) == [Gone(a.state)]
    late, effects = pool.arrive("a", 2.0)
    assert effects == [Reject(late, Refusal.GONE)]


def test_one_that_sleeps_and_goes_is_dropped() -> None:
    a, b = queue("a"), queue("b")
    pool = Pool(a, b, sleeps=True)
    pool.machine.plan(pool.slot, b.state, required=True)
    _, unload = pool.machine.tick(0.0)
    (load,) = pool.machine.left(unload.replica, asleep_gb=0.5)
    pool.machine.loaded(load.replica, 0.0)
    effects = pool.reform([], [a])
    assert kinds(effects) == [Gone, Begin, Forget]
    assert pool.machine.forgotten(pool.slot, "a") == [End(pool.slot)]
    assert pool.slot.used_gb == 3.0


def test_a_successor_takes_over_what_waits_and_what_is_announced() -> None:
    old, new = queue("a"), queue("a", gb=2.0)
    pool = Pool(old)
    running, effects = pool.arrive("a")
    assert effects == [Grant(running)]
    waiting, _ = pool.arrive("a")
    pool.machine.expects("a", unhurried=True)
    pool.machine.follows("a", 1)
    assert kinds(pool.reform([new], [old])) == [Begin]
    assert (old.state.waiting, new.state.waiting) == (0, 1)
    assert (new.state.expected, new.state.followed) == (1, 1)
    (unload,) = pool.machine.finished(running, 2.0)
    pool.machine.left(unload.replica)
    load = pool.machine.tick(2.0)[-1]
    assert isinstance(load, Load)
    assert load.replica.engine is new.state
    assert Grant(waiting) in pool.machine.loaded(load.replica, 3.0)
    pool.machine.expects_no_more("a", unhurried=True)
    pool.machine.follows("a", -1)
    assert (new.state.expected, new.state.followed) == (0, 0)


def test_an_adapter_that_changes_its_base_takes_its_requests_along() -> None:
    a, b = queue("a", "l"), queue("b", gb=1.0)
    pool = Pool(a, b)
    for name in ("l", "l"):
        pool.arrive(name)
    without, with_it = queue("a"), queue("b", "l", gb=1.0)
    pool.reform([without, with_it], [a, b])
    assert with_it.queued == {"b": 0, "l": 1}


def test_a_load_that_has_not_begun_is_called_off() -> None:
    a, b = queue("a"), queue("b")
    pool = Pool(a, b)
    running, _ = pool.arrive("a")
    waiting, _ = pool.arrive("b")
    pool.machine.plan(pool.slot, b.state, required=True)
    assert kinds(pool.machine.tick(0.0)) == [Begin]
    assert pool.reform([], [b])[:2] == [End(pool.slot), Reject(waiting, Refusal.GONE)]
    assert pool.machine.finished(running, 2.0) == []
    assert pool.arrive("a", 3.0)[1] != []


def test_who_waits_for_one_on_trial_is_refused_when_that_is_over() -> None:
    a, b = queue("a", gb=1.0), queue("b", gb=1.0)
    pool = Pool(a, b)
    b.state.on_trial = True
    waiting, _ = pool.arrive("b")
    load = next(one for one in pool.machine.tick(0.0) if isinstance(one, Load))
    assert kinds(pool.machine.load_failed(load.replica, "no", 1.0)) == [End]
    later, effects = pool.arrive("b", 1.0)
    assert effects == []
    rejected = pool.machine.judged(b.state, 1.5)
    assert rejected == [
        Reject(waiting, Refusal.NOT_LOADED, 0.5),
        Reject(later, Refusal.NOT_LOADED, 0.5),
    ]


def test_wider_bounds_let_those_begin_who_wait() -> None:
    a = queue("a")
    pool = Pool(a)
    pool.arrive("a")
    waiting, _ = pool.arrive("a")
    assert pool.machine.rebound(a, queue("a", limit=2), 1.0) == [Grant(waiting)]
