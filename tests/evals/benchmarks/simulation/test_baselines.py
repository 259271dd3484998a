"""The policies that ours is compared with, on states made by hand."""

from collections.abc import Sequence

import pytest

from evals.benchmarks.simulation.baselines import Belady, collate, first_come
from evals.benchmarks.simulation.traces import Trace
from orchestrator.residency.machine.policy import Policy, Rules
from orchestrator.residency.machine.state import EngineState, Phase, Replica, SlotState, add_replica

RULES = Rules()
NOW = 100.0


def engine(name: str, *, waits_since: float | None = None, gb: float = 1.0) -> EngineState:
    state = EngineState(name, gb)
    if waits_since is not None:
        state.waiting, state.oldest = 1, waits_since
    return state


def resident(slot: SlotState, name: str, last_used: float, in_use: int = 0) -> Replica:
    replica = add_replica(engine(name), slot)
    replica.phase, replica.last_used, replica.in_use = Phase.READY, last_used, in_use
    slot.used_gb += replica.engine.memory_gb
    return replica


def moves(
    policy: Policy, slots: Sequence[SlotState], *waiting: EngineState
) -> list[tuple[str, list[str], str]]:
    decision = policy(slots, waiting, NOW, RULES)
    return [
        (m.slot.id, [c.engine.name for c in m.leaving], m.engine.name)
        for m in decision.transitions
        if m.engine is not None
    ]


@pytest.mark.parametrize("policy", [first_come, collate])
def test_room_is_taken_before_anybody_leaves(policy: Policy) -> None:
    full, roomy = SlotState("full", 1.0), SlotState("roomy", 1.0)
    resident(full, "old", 1.0)
    assert moves(policy, [full, roomy], engine("new", waits_since=99.0)) == [("roomy", [], "new")]


@pytest.mark.parametrize("policy", [first_come, collate])
def test_the_least_recently_used_idle_replica_of_all_slots_leaves(policy: Policy) -> None:
    one, two = SlotState("one", 2.0), SlotState("two", 2.0)
    resident(one, "a", 5.0)
    resident(one, "b", 1.0, in_use=1)
    resident(two, "c", 4.0)
    resident(two, "d", 6.0)
    assert moves(policy, [one, two], engine("new", waits_since=99.0)) == [("two", ["c"], "new")]


@pytest.mark.parametrize("policy", [first_come, collate])
def test_who_has_waited_longest_goes_first_and_every_slot_is_used(policy: Policy) -> None:
    slots = [SlotState("one", 1.0), SlotState("two", 1.0)]
    waiting = [engine(name, waits_since=at) for name, at in (("x", 9.0), ("y", 7.0), ("z", 8.0))]
    assert [name for _, _, name in moves(policy, slots, *waiting)] == ["y", "z"]


def test_only_first_come_drains_who_is_in_use() -> None:
    slot = SlotState("slot", 2.0)
    resident(slot, "a", 5.0, in_use=1)
    resident(slot, "b", 4.0, in_use=2)
    new = engine("new", waits_since=99.0)
    assert moves(first_come, [slot], new) == [("slot", ["b"], "new")]
    assert moves(collate, [slot], new) == []


@pytest.mark.parametrize("policy", [first_come, collate])
def test_who_is_on_the_way_is_not_loaded_again(policy: Policy) -> None:
    slots = [SlotState("one", 1.0), SlotState("two", 1.0)]
    coming = engine("coming", waits_since=99.0)
    add_replica(coming, slots[0])
    slots[0].in_transition = True
    assert moves(policy, slots, coming) == []


def test_several_leave_for_a_large_one() -> None:
    slot = SlotState("slot", 3.0)
    for name, last_used in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
        resident(slot, name, last_used)
    large = engine("large", waits_since=99.0, gb=2.0)
    assert moves(first_come, [slot], large) == [("slot", ["b", "c"], "large")]


def test_belady_lets_go_whose_next_request_comes_last() -> None:
    trace = Trace(
        ("soon", "late", "never", "new"), [50.0, 99.0, 101.0, 150.0], [0, 3, 0, 1], [0] * 4
    )
    slot = SlotState("slot", 3.0)
    for name in ("soon", "late", "never"):
        resident(slot, name, 50.0)
    new = engine("new", waits_since=99.0)
    new.deadline = NOW
    belady = Belady(trace)
    assert moves(belady, [slot], new) == [("slot", ["never"], "new")]
    slot.replicas.pop()
    slot.budget_gb = slot.used_gb = 2.0
    assert moves(belady, [slot], new) == [("slot", ["late"], "new")]


def test_belady_makes_nobody_leave_before_it_must() -> None:
    slot = SlotState("slot", 1.0)
    resident(slot, "old", 1.0)
    new = engine("new", waits_since=99.0)
    new.deadline = NOW + 60.0
    trace = Trace(("old", "new"), [99.0], [1], [0])
    assert moves(Belady(trace), [slot], new) == []
    assert moves(Belady(trace), [SlotState("empty", 1.0)], new) == [("empty", [], "new")]
