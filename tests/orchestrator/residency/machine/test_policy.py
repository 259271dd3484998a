"""The policy on states made by hand."""

from dataclasses import dataclass

import pytest
from policy_states import NOW, RULES, ask, asked, bounded, engine, resident, said

from orchestrator.residency.machine.policy import PolicyDecision, decide
from orchestrator.residency.machine.state import EngineState, Replica, SlotState, add_replica

# Where an engine goes.


def test_nobody_leaves_while_a_slot_has_room() -> None:
    full, roomy = SlotState("full", 1.0), SlotState("roomy", 1.0)
    resident(full, engine("old"))
    assert said(ask([full, roomy], engine("new", waiting=1))) == [("roomy", [], "new")]


def test_of_empty_slots_the_largest_is_taken() -> None:
    slots = [SlotState("small", 1.0), SlotState("large", 2.0)]
    assert said(ask(slots, engine("new", waiting=1))) == [("large", [], "new")]


def test_a_slot_where_it_sleeps_is_taken_first() -> None:
    slots = [SlotState("one", 1.0), SlotState("two", 1.0, asleep={"new": 0.0})]
    assert said(ask(slots, engine("new", waiting=1))) == [("two", [], "new")]


def test_every_slot_moves_once() -> None:
    slots = [SlotState("one", 9.0), SlotState("two", 9.0)]
    waiting = [engine(name, waiting=count) for name, count in (("a", 1), ("b", 3), ("c", 2))]
    assert [name for _, _, name in said(ask(slots, *waiting))] == ["b", "c"]


@pytest.mark.parametrize("change", [{"in_transition": True}, {"up": False}])
def test_a_slot_that_moves_or_is_down_is_left_alone(change: dict[str, bool]) -> None:
    slot = SlotState("slot", 1.0, **change)
    assert ask([slot], engine("new", waiting=5)) == PolicyDecision(())


def test_who_is_resident_or_on_the_way_is_not_loaded_again() -> None:
    one, two = SlotState("one", 1.0), SlotState("two", 1.0)
    coming = engine("coming", waiting=5)
    add_replica(coming, one)
    assert ask([one, two], coming) == PolicyDecision(())


def test_who_is_too_large_for_every_slot_changes_nothing() -> None:
    slot = SlotState("slot", 1.0)
    resident(slot, engine("old"))
    assert said(ask([slot], engine("huge", waiting=9, gb=2.0))) == []


def test_without_slots_nothing_happens() -> None:
    assert said(ask([], engine("new", waiting=1))) == []


def _quiet_slot(rate: float, since: float) -> tuple[SlotState, EngineState]:
    """One request runs, requests of it come at `rate`, and there is room for `new`."""
    slot = SlotState("slot", 2.0)
    resident(slot, asked(engine("runs"), rate), in_use=1)
    return slot, engine("new", waiting=1, since=since)


def test_in_a_quiet_slot_it_is_enough_to_have_waited_as_long() -> None:
    slot, early = _quiet_slot(rate=0.2, since=NOW - 1.0)
    decision = ask([slot], early)
    assert said(decision) == []
    assert decision.recheck_at == pytest.approx(NOW + 0.2)  # 1.2 requests are held up for 1 s.
    slot, late = _quiet_slot(rate=0.2, since=NOW - 1.21)
    assert said(ask([slot], late)) == [("slot", [], "new")]


def test_in_a_busy_slot_it_is_not() -> None:
    slot, waiting = _quiet_slot(rate=1.0, since=NOW - 9.0)
    assert said(ask([slot], waiting)) == []


def _after_a_burst(silent_s: float, waiting: int) -> tuple[SlotState, EngineState]:
    """`runs` was asked 15 times a second for two minutes, and since then nothing."""
    slot, new = _quiet_slot(rate=15.0, since=NOW)
    new.waiting = waiting
    slot.replicas[0].in_use = 0
    slot.replicas[0].engine._counted_at = NOW - silent_s
    return slot, new


@pytest.mark.parametrize(("silent_s", "loads"), [(0.2, False), (1.1, True)])
def test_a_burst_that_is_over_holds_up_no_load(silent_s: float, loads: bool) -> None:
    # Five requests in silent_s are the most that may be coming, while the load takes a second.
    slot, new = _after_a_burst(silent_s, waiting=5)
    assert bool(ask([slot], new).transitions) is loads


@pytest.mark.parametrize("waiting", [1, 5, 64])
def test_where_nothing_more_happens_it_looks_again_in_time(waiting: int) -> None:
    slot, new = _after_a_burst(0.0, waiting)
    times = [NOW]
    while not (decision := decide([slot], [new], times[-1], RULES)).transitions:
        assert times[-1] < decision.recheck_at
        times.append(decision.recheck_at)
    assert len(times) <= 4
    assert times[-1] - NOW <= 6.0


# Who leaves.


def test_who_is_missed_least_leaves() -> None:
    slot = SlotState("slot", 3.0)
    for name, rate in (("a", 0.2), ("b", 0.01), ("c", 0.1)):
        resident(slot, asked(engine(name), rate))
    assert said(ask([slot], engine("new", waiting=1))) == [("slot", ["b"], "new")]


def test_of_those_never_asked_the_longest_unused_leaves() -> None:
    slot = SlotState("slot", 2.0)
    resident(slot, engine("a"), since=5.0)
    resident(slot, engine("b"), since=4.0)
    assert said(ask([slot], engine("new", waiting=1))) == [("slot", ["b"], "new")]


def test_a_large_one_that_leaves_spares_the_small_one_before_it() -> None:
    slot = SlotState("slot", 4.0)
    resident(slot, engine("small"), since=1.0)
    resident(slot, engine("large", gb=3.0), since=2.0)
    new = engine("new", waiting=1, gb=3.0)
    assert said(ask([slot], new)) == [("slot", ["large"], "new")]


def test_the_pinned_stay() -> None:
    slot = SlotState("slot", 1.0)
    resident(slot, engine("pinned")).engine.pinned = True
    assert said(ask([slot], bounded("new", NOW))) == []


def test_the_future_may_be_told() -> None:
    slot = SlotState("slot", 2.0)
    resident(slot, engine("a"))
    resident(slot, asked(engine("b"), 0.2))
    new = engine("new", waiting=1)

    def b_never_again(replica: Replica, seconds: float) -> float:
        return 0.0 if replica.engine.name == "b" else seconds

    assert said(decide([slot], [new], NOW, RULES, b_never_again)) == [("slot", ["b"], "new")]


# Worth it.


@pytest.mark.parametrize(("waiting", "loads"), [(3, False), (4, True)])
def test_a_load_holds_up_no_more_requests_than_wait_for_it(waiting: int, loads: bool) -> None:
    slot = SlotState("slot", 2.0)
    # Three in use, and one that is expected while the load takes its second.
    resident(slot, asked(engine("busy"), 1.0), in_use=3)
    assert bool(ask([slot], engine("new", waiting=waiting)).transitions) is loads


def test_where_a_load_blocks_nobody_it_is_worth_it_at_once() -> None:
    slot = SlotState("slot", 2.0, load_blocks=False)
    resident(slot, asked(engine("busy"), 1.0), in_use=3)
    assert said(ask([slot], engine("new", waiting=1))) == [("slot", [], "new")]


def test_who_has_nothing_left_to_begin_may_drain() -> None:
    slot = SlotState("slot", 1.0)
    resident(slot, engine("busy"), in_use=3)
    assert said(ask([slot], engine("new", waiting=1))) == [("slot", ["busy"], "new")]


def test_who_is_waited_for_keeps_its_place() -> None:
    slot = SlotState("slot", 1.0)
    resident(slot, engine("busy", waiting=1, since=999.0), in_use=256, since=999.5)
    assert said(ask([slot], engine("new", waiting=50))) == []


# Due.


def test_a_load_begins_in_time_for_the_age_bound() -> None:
    slot = SlotState("slot", 1.0)
    resident(slot, asked(engine("busy"), 10.0), in_use=5)
    # Load and drain take 1.5 s, and three quarters of it are to spare.
    assert ask([slot], bounded("new", NOW + 3.125)) == PolicyDecision((), NOW + 0.5)
    assert said(ask([slot], bounded("new", NOW + 2.25))) == [("slot", ["busy"], "new")]


def test_a_load_begins_earlier_where_what_must_leave_takes_long_to_end() -> None:
    slot = SlotState("slot", 1.0)
    busy = resident(slot, asked(engine("busy"), 10.0), in_use=5)
    busy.engine.costs.service_s = 6.5
    # The load takes 1 s.
    assert ask([slot], bounded("new", NOW + 13.625)) == PolicyDecision((), NOW + 0.5)
    assert said(ask([slot], bounded("new", NOW + 11.25))) == [("slot", ["busy"], "new")]


def test_a_batch_loads_nothing_that_a_load_which_is_nearly_due_would_wait_for() -> None:
    slot = SlotState("slot", 1.0)
    resident(slot, asked(engine("busy"), 10.0), in_use=5)
    batch = engine("batch", waiting=99)
    assert said(ask([slot], bounded("live", NOW + 9.0), batch)) == [("slot", ["busy"], "batch")]
    # It must begin in a second, and the batch's load takes one and a half.
    assert ask([slot], bounded("live", NOW + 3.625), batch) == PolicyDecision((), NOW + 1.0)
    other = SlotState("other", 1.0)
    resident(other, asked(engine("busy too"), 20.0), in_use=9)
    both = said(ask([slot, other], bounded("live", NOW + 3.625), batch))
    assert both == [("slot", ["busy"], "batch")], "another slot is free for it"


def test_loads_that_take_turns_begin_earlier() -> None:
    slot = SlotState("slot", 1.0)
    resident(slot, asked(engine("busy"), 10.0), in_use=5)
    waiting = [bounded("a", NOW + 5.5), bounded("b", NOW + 5.5), bounded("c", NOW + 9.0)]
    # a and b take 3 s together, and 4.5 s with c; one of them may take 1.125 s longer.
    soon = PolicyDecision((), NOW + 1.375)
    assert ask([slot], *waiting) == soon
    assert ask([slot, SlotState("down", 1.0, up=False)], *waiting) == soon


def test_the_nearest_deadline_goes_first() -> None:
    slot = SlotState("slot", 1.0)
    resident(slot, asked(engine("busy"), 10.0), in_use=5)
    late, soon = bounded("late", NOW + 1.0, waiting=9), bounded("soon", NOW + 0.5)
    assert [name for _, _, name in said(ask([slot], late, soon))] == ["soon"]


@pytest.mark.parametrize(("within_s", "crowded"), [(2.75, True), (3.25, False)])
def test_it_says_when_a_further_load_will_be_late(within_s: float, crowded: bool) -> None:
    slot = SlotState("slot", 1.0)
    # Each takes a second and a half.
    decision = ask([slot], bounded("soon", NOW + 2.0), bounded("later", NOW + within_s))
    assert said(decision) == [("slot", [], "soon")]
    assert decision.crowded is crowded


@pytest.mark.parametrize("blocks", [True, False])
def test_so_it_does_of_one_that_comes_where_others_slow_its_load_down(blocks: bool) -> None:
    slot = SlotState("slot", 1.0, load_blocks=blocks)
    decision = ask([slot], bounded("late", NOW + 1.0))
    assert said(decision) == [("slot", [], "late")]
    assert decision.crowded is blocks


def test_who_has_an_earlier_deadline_does_not_yield() -> None:
    slot = SlotState("slot", 1.0)
    busy = bounded("busy", NOW + 0.25)
    resident(slot, busy, in_use=256, since=NOW - 0.5)
    assert said(ask([slot], bounded("new", NOW + 0.5))) == []
    busy.deadline = NOW + 0.75
    assert said(ask([slot], bounded("new", NOW + 0.5))) == [("slot", ["busy"], "new")]


# Patience, where there is no age bound.


def test_a_stage_lasts_for_as_long_as_its_loads_are_worth() -> None:
    slot = SlotState("slot", 1.0)
    busy = engine("busy", waiting=3, since=NOW - 10.0)
    resident(slot, busy, in_use=256, since=NOW - 60.0)
    # Patience is 20 times 1.5 s, a stage 20 times both loads: 60 s.
    batch = engine("batch", waiting=1, since=NOW - 30.0)
    assert said(ask([slot], batch)) == [("slot", ["busy"], "batch")]
    batch.oldest += 1.0
    assert ask([slot], batch) == PolicyDecision((), NOW + 1.0)
    batch.oldest -= 1.0
    busy.replicas[0].since += 2.0
    assert ask([slot], batch) == PolicyDecision((), NOW + 2.0)


def test_a_stage_ends_when_all_have_begun_that_waited_when_it_came() -> None:
    slot = SlotState("slot", 1.0)
    busy = engine("busy", waiting=3, since=NOW - 70.0)
    resident(slot, busy, in_use=256, since=NOW - 65.0)
    batch = engine("batch", waiting=1, since=NOW - 30.0)
    # Its queue may never be empty, so the policy itself asks again, after a load's time.
    assert ask([slot], batch) == PolicyDecision((), NOW + 3.0)


def test_who_has_waited_longest_goes_first_once_patience_is_lost() -> None:
    slot = SlotState("slot", 1.0)
    many = engine("many", waiting=50, since=NOW - 40.0)
    old = engine("old", waiting=1, since=NOW - 50.0)
    assert [name for _, _, name in said(ask([slot], many, old))] == ["old"]


# Failed loads, idle ones, too much memory.


def test_a_failed_load_is_tried_again_when_its_time_has_come() -> None:
    slot = SlotState("slot", 1.0)
    new = engine("new", waiting=1)
    new.retry_at = NOW + 5.0
    assert ask([slot], new) == PolicyDecision((), NOW + 5.0)
    new.retry_at = NOW
    assert said(ask([slot], new)) == [("slot", [], "new")]


def test_who_has_been_idle_for_too_long_leaves() -> None:
    slot = SlotState("slot", 1.0)
    replica = resident(slot, engine("idle"), since=NOW - 20.0)
    replica.engine.max_idle_s = 30.0
    assert ask([slot]) == PolicyDecision((), NOW + 10.0)
    replica.engine.max_idle_s = 20.0
    assert said(ask([slot])) == [("slot", ["idle"], None)]
    replica.in_use = 1
    assert ask([slot]) == PolicyDecision(())


def test_a_slot_over_its_budget_gives_up_all_but_the_last() -> None:
    slot = SlotState("slot", 1.5)
    resident(slot, engine("a"), since=2.0)
    resident(slot, engine("b"), since=1.0)
    assert said(ask([slot])) == [("slot", ["b"], None)]
    alone = SlotState("alone", 0.5)
    resident(alone, engine("c"))
    assert ask([alone]) == PolicyDecision(())


# Further replicas.


@dataclass
class Full:
    """A full replica of `hot` in one slot, and another slot."""

    hot: EngineState
    slots: list[SlotState]


@pytest.fixture
def full() -> Full:
    slots = [SlotState("one", 1.0), SlotState("two", 1.0)]
    hot = engine("hot", waiting=100, since=NOW - 1.0)
    hot.max_in_flight = 10  # A queue of 5 s: longer than a load.
    resident(slots[0], hot, in_use=10)
    return Full(hot, slots)


def test_a_queue_that_outlasts_a_load_gets_another_replica(full: Full) -> None:
    assert said(ask(full.slots, full.hot)) == [("two", [], "hot")]
    full.hot.waiting = 30
    assert ask(full.slots, full.hot) == PolicyDecision(())


@pytest.mark.parametrize(("in_use", "replicas"), [(48, True), (52, False)])
def test_its_share_of_the_queue_must_be_worth_a_replica(
    in_use: int, replicas: bool, full: Full
) -> None:
    full.slots[1].budget_gb = 2.0
    resident(full.slots[1], engine("other"), in_use=in_use)
    assert bool(ask(full.slots, full.hot).transitions) is replicas


def test_a_replica_that_could_not_be_loaded_is_not_tried_at_once(full: Full) -> None:
    full.hot.retry_at = NOW + 4.0
    assert ask(full.slots, full.hot) == PolicyDecision((), NOW + 4.0)


def test_one_replica_comes_at_a_time(full: Full) -> None:
    add_replica(full.hot, full.slots[1])
    full.slots.append(SlotState("three", 1.0))
    assert ask(full.slots, full.hot) == PolicyDecision(())
