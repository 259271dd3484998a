"""What has no age bound begins nowhere that it would make a load late."""

from one_slot import Pool, kinds

from orchestrator.residency.machine.effects import Begin, End, Grant
from orchestrator.residency.machine.machine import AT_ONCE
from orchestrator.residency.machine.policy import DUE


def test_while_loads_are_late_what_has_no_age_bound_begins_nowhere() -> None:
    pool = Pool("a", "b", "c", limit=4)
    running = pool.load("a", 0.0)
    patient, _ = pool.arrive("b", 1.0)
    pool.arrive("b", 1.0, bound_s=1.0)
    pool.arrive("c", 1.0, bound_s=1.0)
    assert kinds(pool.machine.tick(1.0)) == [Begin]
    (unload,) = pool.machine.finished(running, 1.5)
    (load,) = pool.machine.left(unload.replica)
    (end, grant) = pool.machine.loaded(load.replica, 2.5)
    assert (end, grant.ticket.deadline) == (End(pool.slot), 2.0)
    # b is there, and c is late: a live request for b begins, those of a batch do not.
    late, effects = pool.arrive("b", 2.5, bound_s=9.0)
    assert effects == [Grant(late)]
    assert pool.arrive("b", 2.5)[1] == []
    assert kinds(pool.machine.tick(2.5)) == [Begin]
    pool.machine.finished(late, 2.6)
    (unload,) = pool.machine.finished(grant.ticket, 2.6)
    (load,) = pool.machine.left(unload.replica)
    _, grant = pool.machine.loaded(load.replica, 3.6)
    pool.machine.finished(grant.ticket, 3.7)
    begin, unload = pool.machine.tick(3.7)
    assert begin.transition.engine.name == "b", "nothing is late any more"
    (load,) = pool.machine.left(unload.replica)
    assert Grant(patient) in pool.machine.loaded(load.replica, 4.7)


def test_nor_does_it_begin_where_it_would_slow_down_a_load_that_is_due() -> None:
    pool = Pool("a", "b", "c", limit=4)
    pool.slot.budget_gb = 7.0
    for name in "ab":
        running = pool.load(name, 0.0)
        pool.machine.finished(running, 0.5)
        pool.machine.follows(name, 1)
    pool.arrive("c", 1.0, bound_s=2.0)
    begin, unload = pool.machine.tick(1.0)
    assert (begin.transition.reason, unload.replica.engine.name) == (DUE, "a")
    patient, effects = pool.arrive("b", 1.1)
    assert effects == []
    hurried, effects = pool.arrive("b", 1.1, bound_s=9.0)
    assert effects == [Grant(hurried)]
    (load,) = pool.machine.left(unload.replica)
    assert pool.machine.loaded(load.replica, 2.1)[0] == End(pool.slot)
    assert pool.machine.tick(2.1) == [Grant(patient)]


def test_after_a_load_it_waits_for_the_decision_whether_another_one_is_due() -> None:
    pool = Pool("a", "b", limit=4)
    batch, _ = pool.arrive("a", 0.0)
    _, load = pool.machine.tick(0.0)
    pool.arrive("b", 0.5, bound_s=60.0)
    assert pool.machine.loaded(load.replica, 1.0) == [End(pool.slot)]
    assert pool.machine.tick_at == AT_ONCE
    assert pool.machine.tick(1.0) == [Grant(batch)], "not for a while"
    pool = Pool("a", "b", limit=4)
    live, _ = pool.arrive("a", 0.0, bound_s=9.0)
    pool.arrive("a", 0.0)
    _, load = pool.machine.tick(0.0)
    pool.arrive("b", 0.5, bound_s=1.0)
    assert pool.machine.loaded(load.replica, 1.0) == [End(pool.slot), Grant(live)]
    (begin,) = pool.machine.tick(1.0)
    assert begin.transition.leaving == (load.replica,), "with one request to wait for"


def test_what_was_held_back_begins_when_loads_are_late_no_more() -> None:
    pool = Pool("a", "b", "c", limit=4)
    pool.load("a", 0.0)
    pool.slot.crowded = True
    patient, effects = pool.arrive("a", 1.0)
    assert effects == []
    assert pool.machine.tick(1.0) == [Grant(patient)]


def test_nor_is_it_held_back_by_a_load_that_makes_nothing_else_late() -> None:
    pool = Pool("a", "b", limit=4)
    pool.slot.budget_gb = 7.0
    pool.load("a", 0.0)
    pool.slot.crowded = True
    patient, effects = pool.arrive("a", 1.0)
    assert effects == []
    pool.arrive("b", 1.0, bound_s=60.0)
    pool.arrive("b", 1.0, bound_s=60.0)
    assert Grant(patient) in pool.machine.tick(1.0)
    assert pool.slot.in_transition


def test_a_load_that_slows_nobody_down_holds_nobody_back() -> None:
    pool = Pool("a", "b", "c", limit=4)
    pool.slot.budget_gb, pool.slot.load_blocks = 7.0, False
    for name in "ab":
        running = pool.load(name, 0.0)
        pool.machine.finished(running, 0.5)
        pool.machine.follows(name, 1)
    pool.arrive("c", 1.0, bound_s=2.0)
    begin, _ = pool.machine.tick(1.0)
    assert begin.transition.reason == DUE
    patient, effects = pool.arrive("b", 1.1)
    assert effects == [Grant(patient)]
