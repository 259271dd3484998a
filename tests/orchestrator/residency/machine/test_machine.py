"""The machine, event by event; no clock, no event loop."""

import ast
from pathlib import Path

import pytest
from one_slot import Pool, kinds

from orchestrator.residency.machine import machine as module
from orchestrator.residency.machine.effects import (
    Abort,
    Begin,
    End,
    Grant,
    Load,
    MakeRoom,
    Refusal,
    Reject,
    Unload,
    Vacant,
)
from orchestrator.residency.machine.machine import AT_ONCE
from orchestrator.residency.machine.state import Phase
from orchestrator.residency.machine.succession import GIVEN_BACK

FOLDER = Path(module.__file__).parent
PURE = [*FOLDER.glob("*.py"), FOLDER.with_name("forecast.py"), FOLDER.with_name("lru_baseline.py")]


def test_a_request_for_nothing_resident_loads_its_engine_and_begins() -> None:
    pool = Pool("a")
    ticket, effects = pool.arrive("a", 0.0)
    assert effects == []
    assert pool.machine.tick_at == AT_ONCE
    begin, load = pool.machine.tick(0.0)
    assert (type(begin), type(load)) == (Begin, Load)
    assert pool.machine.loaded(load.replica, 1.0) == [End(pool.slot), Grant(ticket)]
    assert ticket.replica is load.replica
    assert pool.machine.finished(ticket, 2.0) == []
    assert pool.machine.finished(ticket, 3.0) == []


def test_a_further_request_begins_at_once() -> None:
    pool = Pool("a")
    pool.load("a", 0.0)
    ticket, effects = pool.arrive("a", 1.0)
    assert effects == [Grant(ticket)]


def test_a_drain_that_takes_too_long_is_ended() -> None:
    pool = Pool("a", "b", drain_timeout_s=5.0)
    stalled = pool.load("a", 0.0)
    pool.arrive("b", 1.0, bound_s=0.0)
    assert kinds(pool.machine.tick(1.0)) == [Begin]
    assert pool.machine.tick_at == 6.0
    abort, unload = pool.machine.tick(6.0)
    assert abort == Abort(unload.replica, (stalled,))
    assert (type(unload), unload.replica.engine.name) == (Unload, "a")
    assert pool.machine.finished(stalled, 7.0) == []
    (load,) = pool.machine.left(unload.replica)
    assert load.replica.engine.name == "b"


def test_how_long_a_drain_takes_is_learnt() -> None:
    pool = Pool("a", "b")
    running = pool.load("a", 0.0)
    costs = pool.engines["a"].costs
    assert costs.finishing_s == costs.service_s
    pool.arrive("b", 1.0, bound_s=0.0)
    pool.machine.tick(1.0)
    pool.machine.finished(running, 4.0)
    assert costs.finishing_s == 3.0


def test_a_sooner_age_bound_behind_a_queue_is_thought_about_at_once() -> None:
    pool = Pool("a", "b")
    pool.load("a", 0.0)
    for _ in range(2):
        pool.arrive("a", 0.0)  # One begins, one keeps the engine where it is.
    for _ in range(4):
        pool.arrive("b", 1.0)
    assert pool.machine.tick(1.0) == []
    pool.arrive("b", 2.0)  # The fifth: their number alone is no reason.
    assert pool.machine.tick_at > 2.0
    pool.arrive("b", 2.0, bound_s=4.0)
    assert pool.machine.tick_at == AT_ONCE


def test_a_full_queue_refuses() -> None:
    pool = Pool("a", max_queued=1, limit=1)
    pool.load("a", 0.0)
    pool.arrive("a", 1.0)
    ticket, effects = pool.arrive("a", 1.0)
    assert effects == [Reject(ticket, Refusal.QUEUE_FULL)]


def test_in_a_full_queue_the_last_without_an_age_bound_gives_way() -> None:
    pool = Pool("a", max_queued=1, limit=1)
    pool.load("a", 0.0)
    early, _ = pool.arrive("a", 1.0)
    late, effects = pool.arrive("a", 1.0)
    assert effects == [Reject(late, Refusal.QUEUE_FULL)]
    hurried, effects = pool.arrive("a", 1.0, bound_s=10.0)
    assert effects == [Reject(early, Refusal.GAVE_WAY)]
    another, effects = pool.arrive("a", 1.0, bound_s=10.0)
    assert effects == [Reject(another, Refusal.QUEUE_FULL)]
    assert pool.machine.cancelled(hurried, 2.0) == []
    assert pool.engines["a"].waiting == 0


def test_an_engine_larger_than_every_slot_is_refused() -> None:
    pool = Pool("a")
    pool.engines["a"].memory_gb = 9.0
    ticket, effects = pool.arrive("a", 1.0)
    assert effects == [Reject(ticket, Refusal.TOO_LARGE)]


def test_a_failed_load_rejects_and_is_tried_again_later() -> None:
    pool = Pool("a", retry_load_s=4.0)
    waiting, _ = pool.arrive("a", 0.0)
    load = pool.machine.tick(0.0)[1]
    rejected = Reject(waiting, Refusal.NOT_LOADED, 4.0)
    assert pool.machine.load_failed(load.replica, "no", 1.0) == [End(pool.slot), rejected]
    late, effects = pool.arrive("a", 3.0)
    assert effects == [Reject(late, Refusal.NOT_LOADED, 2.0)]
    assert pool.arrive("a", 5.0)[1] == []


def test_what_may_be_left_of_a_failed_load_counts_until_it_is_gone() -> None:
    pool = Pool("a", "b", retry_load_s=4.0)
    pool.arrive("a", 0.0)
    load = pool.machine.tick(0.0)[1]
    effects = pool.machine.load_failed(load.replica, "slow", 1.0, gone=False)
    assert kinds(effects) == [Unload, Reject]
    assert pool.slot.used_gb == 3.0
    pool.arrive("b", 2.0, bound_s=0.0)
    assert pool.machine.tick(2.0) == []
    assert pool.machine.unload_failed(load.replica, "slow", 3.0) == []
    assert pool.machine.tick_at == 7.0
    assert kinds(pool.machine.tick(7.0)) == [Unload]
    assert pool.machine.left(load.replica) == [End(pool.slot)]
    assert pool.slot.used_gb == 0.0
    assert kinds(pool.machine.tick(7.0)) == [Begin, Load]


def test_where_memory_is_short_all_others_leave_first() -> None:
    pool = Pool("a", "b")
    pool.engines["a"].memory_gb = pool.engines["b"].memory_gb = 1.0
    pool.machine.finished(pool.load("a", 0.0), 0.5)
    pool.arrive("b", 1.0)
    load = pool.machine.tick(1.0)[1]
    make_room, unload = pool.machine.memory_short(load.replica, "no memory", 2.0)
    assert make_room == MakeRoom(load.replica)
    assert pool.machine.left(unload.replica) == [Load(load.replica, warm=False)]
    ends = pool.machine.memory_short(load.replica, "no memory", 3.0)
    assert kinds(ends) == [End, Reject]


def test_a_lost_slot_ends_what_ran_in_it_and_loads_that_again() -> None:
    pool = Pool("a")
    ticket = pool.load("a", 0.0)
    assert pool.machine.slot_lost(pool.slot, 1.0) == []
    assert ticket.replica is None
    assert pool.machine.tick(1.0) == []
    pool.machine.slot_up(pool.slot, 0.5)
    begin, load = pool.machine.tick(2.0)
    assert begin.transition.reason == "was here before"
    assert load.replica.engine.name == "a"


def test_what_no_longer_fits_a_slot_that_comes_back_larger_is_refused() -> None:
    pool = Pool("a")
    pool.machine.slot_lost(pool.slot, 1.0)
    ticket, effects = pool.arrive("a", 1.0)
    assert effects == []
    assert pool.machine.slot_up(pool.slot, 1.5) == [Reject(ticket, Refusal.TOO_LARGE)]


def test_an_engine_whose_loads_end_two_processes_fails() -> None:
    pool = Pool("a")
    pool.arrive("a", 0.0)
    pool.machine.tick(0.0)
    assert kinds(pool.machine.slot_lost(pool.slot, 1.0)) == [End]
    pool.machine.slot_up(pool.slot, 0.0)
    pool.machine.tick(2.0)
    assert kinds(pool.machine.slot_lost(pool.slot, 3.0)) == [End, Reject]


def test_a_slot_that_is_cut_off_twice_during_a_load_blames_no_engine() -> None:
    pool = Pool("a")
    pool.arrive("a", 0.0)
    for now in (1.0, 3.0):
        pool.machine.tick(now)
        assert kinds(pool.machine.slot_lost(pool.slot, now, cut=True)) == [End]
        pool.machine.slot_up(pool.slot, 0.0)
    assert pool.engines["a"].failed is None


def test_what_a_slot_still_holds_serves_those_that_wait() -> None:
    pool = Pool("a")
    pool.machine.slot_lost(pool.slot, 1.0, cut=True)
    ticket, _ = pool.arrive("a", 1.0)
    assert pool.machine.adopt(pool.slot, pool.engines["a"], 2.0) == [Grant(ticket)]
    pool.machine.slot_up(pool.slot, 0.0)
    assert pool.machine.tick(2.0) == []


def test_a_slot_is_vacant_when_all_has_left_and_nothing_comes_meanwhile() -> None:
    pool = Pool("a")
    running = pool.load("a", 0.0)
    pool.machine.vacate(pool.slot)
    (begin,) = pool.machine.tick(1.0)
    assert (begin.transition.reason, begin.transition.engine) == (GIVEN_BACK, None)
    pool.arrive("a", 2.0)
    assert pool.machine.tick(2.0) == []
    (unload,) = pool.machine.finished(running, 3.0)
    assert not unload.may_sleep
    assert kinds(pool.machine.left(unload.replica)) == [End]
    assert pool.machine.tick(4.0) == [Vacant(pool.slot)]
    assert (pool.slot.up, pool.slot.closing) == (False, False)
    assert pool.machine.tick(5.0) == []
    pool.machine.slot_up(pool.slot, 0.0)
    assert kinds(pool.machine.tick(6.0)) == [Begin, Load]


def test_a_slot_that_dies_while_it_is_given_back_is_vacant() -> None:
    pool = Pool("a")
    pool.load("a", 0.0)
    pool.machine.vacate(pool.slot)
    pool.machine.tick(1.0)
    pool.machine.slot_lost(pool.slot, 2.0)
    assert pool.machine.tick(3.0) == [Vacant(pool.slot)]
    assert pool.slot.planned == []


def test_events_of_a_replica_that_died_with_its_slot_change_nothing() -> None:
    pool = Pool("a")
    pool.arrive("a", 0.0)
    load = pool.machine.tick(0.0)[1]
    pool.machine.slot_lost(pool.slot, 1.0)
    machine = pool.machine
    assert machine.loaded(load.replica, 2.0) == machine.left(load.replica) == []
    assert machine.load_failed(load.replica, "late", 2.0) == []
    assert load.replica.phase is Phase.LOADING


def test_a_stopped_machine_rejects_what_waits_and_what_comes() -> None:
    pool = Pool("a")
    waiting, _ = pool.arrive("a", 0.0)
    assert pool.machine.stop("bye") == [Reject(waiting, Refusal.NOT_LOADED)]
    late, effects = pool.arrive("a", 1.0)
    assert effects == [Reject(late, Refusal.NOT_LOADED)]
    assert pool.machine.tick(2.0) == []


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.stem)
def test_the_pure_half_knows_no_clock_and_no_event_loop(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    impure = {"asyncio", "time", "datetime", "random", "threading", "httpx", "ray", "logging"}
    assert {name.split(".")[0] for name in imported} & impure == set()


def test_what_a_batch_follows_stays_until_it_does_so_no_more() -> None:
    pool = Pool("a", "b")
    pool.machine.finished(pool.load("a", 0.0), 1.0)
    pool.machine.follows("a", 1)
    pool.arrive("b", 60.0)
    assert pool.machine.tick(60.0) == []
    pool.machine.follows("a", -1)
    assert pool.machine.tick_at == AT_ONCE
    assert kinds(pool.machine.tick(60.0)) == [Begin, Unload]


def test_those_that_run_together_share_the_time_of_their_slot() -> None:
    pool = Pool("a")
    costs = pool.engines["a"].costs
    costs.weight = 0.0
    pool.engines["a"].max_in_flight = 16
    first = pool.load("a", 0.0)
    second, *_ = [pool.arrive("a", 1.0)[0] for _ in range(9)]
    pool.machine.finished(first, 11.0)
    # A second alone, and a tenth of ten.
    assert costs.share_s == pytest.approx(2.0)
    pool.machine.finished(second, 11.0)
    # A tenth of ten; who had more others beside it counts for more.
    assert costs.share_s == pytest.approx((2.0 * 11 / 2 + 1.0 * 10) / (11 / 2 + 10))
