"""Slots that die, engines that are broken, and loads that fail; no process is started."""

import asyncio
import logging
from typing import Any

import pytest

from experts.errors import ExpertUnavailable, ServiceError
from orchestrator.residency.slot import SlotLost
from orchestrator.store.memory_store import MemoryStore


async def test_a_failed_load_passes_on_the_engines_words(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    rig.slot.load_errors["a"] = [RuntimeError("ValueError: no such dtype")]
    with pytest.raises(ExpertUnavailable, match="a could not be loaded: ValueError: no such dtype"):
        await rig.use("a")


async def test_after_a_failed_load_it_is_not_tried_again_at_once(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 1}, memory_gb=4, retry_load_s=60)
    rig.slot.load_errors["a"] = [RuntimeError("once")]
    for _ in range(2):
        with pytest.raises(ExpertUnavailable, match="once") as caught:
            await rig.use("a")
        assert 59 < caught.value.retry_after_s <= 60
    assert rig.slot.loads == ["a"]
    await rig.use("b")
    assert rig.pool.out_of_reach == {"a": "expert_unavailable"}


async def test_after_the_wait_a_failed_load_is_tried_again(make_rig: Any) -> None:
    rig = await make_rig({"a": 3}, memory_gb=4, retry_load_s=1e-9)
    rig.slot.load_errors["a"] = [RuntimeError("once")]
    with pytest.raises(ExpertUnavailable):
        await rig.use("a")
    assert rig.pool.out_of_reach == {}
    await rig.use("a")
    assert rig.slot.loads == ["a", "a"]
    assert rig.pool.snapshot()["loads"]["a"]["failed"] is None


async def test_an_unload_that_takes_too_long_is_an_error_of_the_expert(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    await rig.use("a")
    rig.slot.unload_errors = [TimeoutError()]
    with pytest.raises(ExpertUnavailable):
        await rig.use("b")


async def test_a_slot_that_does_not_start_is_named(make_rig: Any) -> None:
    rig = await make_rig({"a": 1}, start=False)
    rig.slot.start_errors = [RuntimeError("no such device")]
    with pytest.raises(ServiceError, match="Slot slot-0 did not start: no such device"):
        await rig.pool.start()


async def test_a_node_without_coterie_is_told_apart_from_one_without_room(make_rig: Any) -> None:
    rig = await make_rig({"a": 1}, start=False)
    rig.slot.start_errors = [RuntimeError("No module named 'experts' (on 10.0.0.2)")]
    with pytest.raises(ServiceError) as caught:
        await rig.pool.start()
    assert "(on 10.0.0.2). Is the same version of Coterie installed on every" in str(caught.value)


async def test_a_load_that_fails_in_a_cluster_names_the_node(make_rig: Any) -> None:
    rig = await make_rig({"a": 1}, start=False)
    rig.slot.token, rig.slot.url = "secret", "http://10.0.0.2:7000"
    await rig.pool.start()
    rig.slot.load_errors["a"] = [RuntimeError("no such folder")]
    with pytest.raises(ExpertUnavailable, match=r"a could not be loaded: on 10\.0\.0\.2: no such"):
        await rig.use("a")


async def test_a_slot_that_ray_does_not_bring_back_says_so_once(
    make_rig: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.residency.upkeep.supervisor.RESTART_DELAY_S", 0.0)
    rig = await make_rig({"a": 1})
    rig.slot.start_errors = [SlotLost("Slot slot-0 lost its process.") for _ in range(3)]
    rig.slot.die()
    await rig.settle()
    assert rig.slot.starts == 2
    told = [r for r in caplog.records if "did not start" in r.message]
    assert [(r.levelno, r.message.count("..")) for r in told] == [(logging.WARNING, 0)]
    assert "restart the service where Ray runs inside it" in told[0].message
    assert "CPUs" not in told[0].message


async def test_stop_ends_the_slots(make_rig: Any) -> None:
    rig = await make_rig({"a": 1}, count=2)
    await rig.pool.stop()
    assert all(slot.stopped for slot in rig.slots)


async def test_stop_ends_the_wait_for_a_load(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    rig.slot.hold("a")
    waiter = rig.using("a")
    await rig.slot.saw("load a")
    await rig.pool.stop()
    with pytest.raises((ExpertUnavailable, asyncio.CancelledError)):
        await rig.done(waiter)


async def test_a_lost_slot_comes_back_with_its_residents(make_rig: Any) -> None:
    rig = await make_rig({"a": 1, "b": 1})
    await rig.use("a")
    await rig.slot.saw("load a")
    await rig.slot.saw("start")
    rig.slot.die()
    await rig.slot.saw("load a")
    await rig.use("a")
    assert rig.slot.starts == 2
    assert rig.slot.loads == ["a", "a"]
    assert rig.pool.snapshot()["slots"][0]["restarts"] == 1


async def test_a_lease_waits_for_a_lost_slot(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    await rig.slot.saw("start")
    rig.slot.may_start.clear()
    rig.slot.die()
    await rig.slot.saw("start")
    waiter = rig.using("a")
    await rig.settle()
    assert not waiter.done()
    assert rig.pool.snapshot()["slots"][0]["up"] is False
    rig.slot.may_start.set()
    assert (await rig.done(waiter)).slot == "slot-0"


async def test_a_lost_slot_does_not_stop_the_others(make_rig: Any) -> None:
    rig = await make_rig({"a": 1}, count=2)
    lease = await rig.use("a")
    lost = next(slot for slot in rig.slots if slot.id == lease.slot)
    await lost.saw("start")
    lost.may_start.clear()
    lost.die()
    await lost.saw("start")
    assert (await rig.use("a")).slot != lost.id


async def test_with_all_slots_lost_the_first_that_comes_back_serves(make_rig: Any) -> None:
    rig = await make_rig({"a": 1}, count=2)
    for slot in rig.slots:
        await slot.saw("start")
        slot.may_start.clear()
        slot.die()
    for slot in rig.slots:
        await slot.saw("start")
    waiter = rig.using("a")
    await rig.settle()
    rig.slots[1].may_start.set()
    assert (await rig.done(waiter)).slot == "slot-1"


async def test_a_lease_whose_slot_dies_during_the_load_gets_the_next_one(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    rig.slot.hold("a")
    waiter = rig.using("a")
    await rig.slot.saw("load a")
    rig.slot.die()
    rig.slot.release("a")
    assert (await rig.done(waiter)).slot == "slot-0"


async def test_a_slot_that_dies_while_an_engine_drains_serves_who_waited(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    with await rig.pool.lease("a"):
        waiter = rig.using("b")
        await rig.settle()
        rig.slot.die()
        await rig.settle()
    assert (await rig.done(waiter)).slot == "slot-0"


async def test_a_slot_that_dies_again_while_it_comes_back_is_started_again(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    rig.slot.memory_errors = [SlotLost("died again")]
    rig.slot.die()
    await rig.settle()
    rig.slot.die()
    await rig.settle()
    assert (await rig.done(rig.using("a"))).slot == "slot-0"


async def test_a_slot_that_is_slow_to_come_back_is_started_again(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    rig.slot.start_errors = [TimeoutError()]
    await rig.slot.saw("start")
    rig.slot.die()
    await rig.slot.saw("start")
    await rig.slot.saw("start")
    assert (await rig.done(rig.using("a"))).slot == "slot-0"


async def test_a_suspected_slot_that_is_gone_is_forgotten_at_once(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    lease = await rig.use("a")
    rig.slot.memory_errors = [SlotLost("gone")]
    rig.slot.may_start.clear()
    await rig.pool.suspect(lease)
    assert rig.residents() == [[]]


async def test_a_suspected_slot_that_is_only_busy_is_used_again(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    lease = await rig.use("a")
    rig.slot.memory_errors = [TimeoutError()]
    await rig.pool.suspect(lease)
    assert (await rig.done(rig.using("a"))).slot == "slot-0"


async def test_a_suspected_engine_that_is_healthy_stays(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    lease = await rig.use("a")
    await rig.pool.suspect(lease)
    assert rig.slot.unloads == []


async def test_a_suspected_engine_that_is_broken_is_loaded_again(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    lease = await rig.use("a")
    rig.health = 503
    await rig.pool.suspect(lease)
    await rig.use("a")
    assert rig.slot.unloads == ["a"]
    assert rig.slot.loads == ["a", "a"]


@pytest.mark.parametrize(
    "error",
    [SlotLost("gone"), TimeoutError(), RuntimeError("no such device")],
    ids=["lost", "busy", "ill"],
)
async def test_a_slot_that_does_not_answer_does_not_break_the_refresh(
    make_rig: Any, error: Exception
) -> None:
    rig = await make_rig({"a": 1})
    rig.slot.memory_errors = [error]
    await rig.pool.refresh()
    assert len(rig.pool.snapshot()["slots"]) == 1


async def test_an_engine_that_kills_its_slot_twice_fails_alone(make_rig: Any) -> None:
    rig = await make_rig({"bad": 1, "good": 1}, retry_load_s=60)
    rig.slot.hold("bad")
    waiter = rig.using("bad")
    for _ in range(2):
        await rig.slot.saw("load bad")
        rig.slot.die()
    with pytest.raises(ExpertUnavailable, match="process died while it was loading") as caught:
        await rig.done(waiter)
    assert 0 < caught.value.retry_after_s <= 120
    await rig.use("good")
    with pytest.raises(ExpertUnavailable) as again:
        await rig.use("bad")
    assert again.value.retry_after_s <= caught.value.retry_after_s
    assert rig.slot.loads == ["bad", "bad", "good"]
    assert rig.engine("bad")["failures"] == 1
    assert rig.engine("bad")["failed"] is not None


async def test_an_engine_that_killed_two_slots_is_not_tried_in_either(make_rig: Any) -> None:
    rig = await make_rig({"bad": 1}, count=2, retry_load_s=60)
    for slot in rig.slots:
        slot.hold("bad")
        await slot.saw("start")
        slot.may_start.clear()
    waiter = rig.using("bad")
    for slot in rig.slots:
        await slot.saw("load bad")
        slot.die()
    with pytest.raises(ExpertUnavailable):
        await rig.done(waiter)
    for slot in rig.slots:
        slot.may_start.set()
        await slot.saw("start")
    await rig.settle()
    assert [slot.loads for slot in rig.slots] == [["bad"], ["bad"]]
    assert [slot["up"] for slot in rig.pool.snapshot()["slots"]] == [True, True]


async def test_a_slot_that_dies_while_it_serves_leaves_nothing_behind(make_rig: Any) -> None:
    rig = await make_rig({"a": {"max_in_flight": 1}})
    await rig.slot.saw("start")
    with await rig.lease("a"):
        rig.slot.die()
        await rig.slot.saw("start")
    await rig.use("a")
    assert rig.pool.snapshot()["slots"][0]["replicas"] == [
        {"engine": "a", "phase": "ready", "in_use": 0}
    ]


async def test_a_request_of_a_dead_slot_does_not_fill_the_next_one(make_rig: Any) -> None:
    rig = await make_rig({"a": {"max_in_flight": 2}})
    await rig.slot.saw("start")
    with await rig.lease("a"):
        rig.slot.die()
        await rig.slot.saw("start")
        await rig.use("a")


async def test_further_failures_double_the_wait(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4, retry_load_s=1e-9, retry_load_max_s=5e-9)
    waits = []
    rig.slot.load_errors["a"] = [RuntimeError("no")] * 4
    for _ in range(4):
        with pytest.raises(ExpertUnavailable) as caught:
            await rig.use("a")
        waits.append(caught.value.retry_after_s)
    assert waits == [1e-9, 2e-9, 4e-9, 5e-9]
    assert rig.engine("a")["failures"] == 4


async def test_a_load_that_works_ends_the_doubling(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4, retry_load_s=1e-9)
    rig.slot.load_errors["a"] = [RuntimeError("no"), RuntimeError("no")]
    for _ in range(2):
        with pytest.raises(ExpertUnavailable):
            await rig.use("a")
    await rig.use("a")
    await rig.use("b")
    rig.slot.load_errors["a"] = [RuntimeError("no")]
    with pytest.raises(ExpertUnavailable) as caught:
        await rig.use("a")
    assert caught.value.retry_after_s == 1e-9


async def test_a_client_that_leaves_as_its_turn_comes_takes_no_turn(make_rig: Any) -> None:
    rig = await make_rig({"a": {"max_in_flight": 1}})
    lease = await rig.lease("a")
    leaves, stays = rig.using("a"), rig.using("a")
    await rig.settle()
    leaves.cancel()
    lease.release()
    await rig.done(stays)
    assert rig.pool.snapshot()["slots"][0]["replicas"][0]["in_use"] == 0


async def test_a_client_that_leaves_with_its_turn_gives_it_back(make_rig: Any) -> None:
    store = MemoryStore()
    await store.put("costs:a", {"service_s": 100})
    rig = await make_rig({"a": {"max_in_flight": 1}}, store=store)
    lease = await rig.lease("a")
    leaves, stays = rig.using("a"), rig.using("a")
    await rig.settle()
    lease.release()
    leaves.cancel()
    await rig.done(stays)
    assert leaves.cancelled()
    assert rig.pool.snapshot()["slots"][0]["replicas"][0]["in_use"] == 0
    # Two requests were served, each of which counts for a twentieth.
    assert rig.engine("a")["service_s"] == pytest.approx(100 * 0.95**2, abs=0.1)


async def test_a_client_that_leaves_while_its_engine_is_dropped_stops_nothing(
    make_rig: Any,
) -> None:
    rig = await make_rig({"a": 1})
    lease = await rig.use("a")
    rig.health = 503
    rig.slot.hold("unload a")
    suspicion = asyncio.create_task(rig.pool.suspect(lease))
    await rig.slot.saw("unload a")
    suspicion.cancel()
    await asyncio.gather(suspicion, return_exceptions=True)
    rig.slot.release("unload a")
    await rig.use("a")
    assert rig.slot.loads == ["a", "a"]


async def test_a_pinned_engine_that_is_broken_is_waited_for(make_rig: Any) -> None:
    rig = await make_rig({"a": {"memory_gb": 3, "pin": True}}, memory_gb=4)
    lease = await rig.use("a")
    with await rig.lease("a"):
        rig.health = 503
        suspicion = asyncio.create_task(rig.pool.suspect(lease))
        await rig.settle()
        waiter = rig.using("a")
        await rig.settle()
    await rig.done(waiter)
    await suspicion
    assert rig.slot.loads == ["a", "a"]
