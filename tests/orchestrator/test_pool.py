"""Leases on experts: loads, evictions, queues, and slots that die; no process is started."""

import asyncio
from typing import Any

import pytest

from experts.errors import ExpertOverloaded, ExpertUnavailable, ServiceError
from orchestrator.slots import SlotLost

PATIENCE_S = 5.0


async def _let_others_run() -> None:
    """Give every task that can go on the chance to; what still waits then, waits for us."""
    for _ in range(50):
        await asyncio.sleep(0)


async def _done(task: "asyncio.Task[Any]") -> Any:
    return await asyncio.wait_for(task, PATIENCE_S)


async def test_many_waiters_share_one_load(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    rig.slot.hold("a")
    waiters = [rig.using("a") for _ in range(20)]
    await rig.slot.saw("load a")
    rig.slot.release("a")
    await asyncio.gather(*map(_done, waiters))
    assert rig.slot.loads == ["a"]


async def test_a_lease_tells_where_the_expert_answers(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    lease = await rig.use("a")
    assert lease.slot == "slot-0"
    assert lease.engine.endpoint.base_url == "http://slot-0.test/e/a/v1"


async def test_a_second_lease_loads_nothing(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    first, second = await rig.use("a"), await rig.use("a")
    assert rig.slot.loads == ["a"]
    assert first.load_ms > 0
    assert second.load_ms == 0


async def test_a_client_that_leaves_during_a_load_leaves_a_resident_engine(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    rig.slot.hold("a")
    waiter = rig.using("a")
    await rig.slot.saw("load a")
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    rig.slot.release("a")
    await rig.use("a")
    assert rig.slot.loads == ["a"]
    assert rig.residents() == [["a"]]


async def test_what_does_not_fit_beside_it_replaces_an_idle_engine(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    await rig.use("a")
    await rig.use("b")
    assert rig.slot.unloads == ["a"]
    assert rig.residents() == [["b"]]


async def test_the_least_recently_used_leaves(make_rig: Any) -> None:
    rig = await make_rig({"a": 2, "b": 2, "c": 2}, memory_gb=4)
    for expert in ("a", "b", "a", "c"):
        await rig.use(expert)
    assert rig.slot.unloads == ["b"]


async def test_an_engine_in_use_leaves_only_when_it_is_given_back(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    with await rig.pool.lease("a"):
        waiter = rig.using("b")
        await _let_others_run()
        assert rig.slot.unloads == []
    await _done(waiter)
    assert rig.slot.unloads == ["a"]


async def test_requests_for_an_engine_that_is_leaving_load_it_again(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    with await rig.pool.lease("a"):
        others = [rig.using("b") for _ in range(3)]
        await _let_others_run()
        again = rig.using("a")
        await _let_others_run()
    await asyncio.gather(*map(_done, others))
    await _done(again)
    assert rig.slot.loads == ["a", "b", "a"]


async def test_an_expert_that_fits_nowhere_is_unavailable(make_rig: Any) -> None:
    rig = await make_rig({"big": 9}, memory_gb=4)
    with pytest.raises(ExpertUnavailable, match=r"big needs 9\.00 GB") as caught:
        await rig.use("big")
    assert caught.value.expert == "big"
    assert "slots.memory_gb" in caught.value.hint


async def test_loads_of_a_slot_take_turns(make_rig: Any) -> None:
    rig = await make_rig({"a": 2, "b": 2}, memory_gb=4)
    rig.slot.hold("a")
    waiters = [rig.using("a"), rig.using("b")]
    await rig.slot.saw("load a")
    await _let_others_run()
    assert rig.slot.loads == ["a"]
    rig.slot.release("a")
    await asyncio.gather(*map(_done, waiters))
    assert sorted(rig.slot.loads) == ["a", "b"]
    assert rig.slot.unloads == []


async def test_experts_spread_over_the_slots(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4, count=2)
    await rig.use("a")
    await rig.use("b")
    assert sorted(rig.residents()) == [["a"], ["b"]]


async def test_a_full_queue_refuses_further_requests(make_rig: Any) -> None:
    spec = {"type": "vllm", "model": "org/a", "max_in_flight": 1, "max_queued": 1}
    rig = await make_rig({"a": spec})
    with await rig.pool.lease("a"):
        waiter = rig.using("a")
        await _let_others_run()
        with pytest.raises(ExpertOverloaded, match="1 requests wait for expert a"):
            await rig.use("a")
    await _done(waiter)


async def test_a_queue_of_zero_still_lets_one_request_in(make_rig: Any) -> None:
    spec = {"type": "vllm", "model": "org/a", "max_in_flight": 1, "max_queued": 0}
    rig = await make_rig({"a": spec})
    await rig.use("a")
    with await rig.pool.lease("a"), pytest.raises(ExpertOverloaded):
        await rig.use("a")


async def test_no_more_than_max_in_flight_are_under_way(make_rig: Any) -> None:
    spec = {"type": "vllm", "model": "org/a", "max_in_flight": 2}
    rig = await make_rig({"a": spec})
    with await rig.pool.lease("a"):
        with await rig.pool.lease("a"):
            third = rig.using("a")
            await _let_others_run()
            assert not third.done()
            assert rig.pool.snapshot()["queued"] == {"a": 1}
        await _done(third)


async def test_a_waiter_that_leaves_the_queue_frees_its_place(make_rig: Any) -> None:
    spec = {"type": "vllm", "model": "org/a", "max_in_flight": 1, "max_queued": 1}
    rig = await make_rig({"a": spec})
    with await rig.pool.lease("a"):
        leaves = rig.using("a")
        await _let_others_run()
        leaves.cancel()
        await _let_others_run()
        stays = rig.using("a")
    await _done(stays)


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


async def test_after_the_wait_a_failed_load_is_tried_again(make_rig: Any) -> None:
    rig = await make_rig({"a": 3}, memory_gb=4, retry_load_s=1e-9)
    rig.slot.load_errors["a"] = [RuntimeError("once")]
    with pytest.raises(ExpertUnavailable):
        await rig.use("a")
    await rig.use("a")
    assert rig.slot.loads == ["a", "a"]
    assert rig.pool.snapshot()["loads"]["a"]["failed"] is None


async def test_an_unload_that_takes_too_long_is_an_error_of_the_expert(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    await rig.use("a")
    rig.slot.unload_errors = [TimeoutError()]
    with pytest.raises(ExpertUnavailable):
        await rig.use("b")


async def test_adapters_share_the_engine_of_their_base(make_rig: Any) -> None:
    adapter = {"type": "vllm", "model": "/adapter", "adapter_of": "a"}
    rig = await make_rig({"a": 1, "tuned": adapter})
    base, tuned = await rig.use("a"), await rig.use("tuned")
    assert rig.slot.loads == ["a"]
    assert base.engine.endpoint.base_url.endswith("/e/a/v1")
    assert tuned.engine.endpoint.base_url.endswith("/e/tuned/v1")


async def test_an_adapter_in_use_keeps_its_base_resident(make_rig: Any) -> None:
    adapter = {"type": "vllm", "model": "/adapter", "adapter_of": "a"}
    rig = await make_rig({"a": 3, "tuned": adapter, "b": 3}, memory_gb=4)
    with await rig.pool.lease("tuned"):
        waiter = rig.using("b")
        await _let_others_run()
        assert rig.slot.unloads == []
    await _done(waiter)


async def test_a_remote_expert_needs_no_slot(make_rig: Any) -> None:
    remote = {"type": "openai", "base_url": "http://far.test/v1", "model": "m", "api_key": "k"}
    rig = await make_rig({"far": remote})
    lease = await rig.use("far")
    assert lease.slot is None
    assert lease.engine.endpoint.base_url == "http://far.test/v1"
    assert lease.engine.endpoint.headers()["authorization"] == "Bearer k"
    assert rig.slot.loads == []


async def test_start_loads_what_fits(make_rig: Any) -> None:
    rig = await make_rig({"a": 2, "b": 2, "c": 2}, memory_gb=4, preload=True)
    assert rig.residents() == [["a", "b"]]


async def test_start_loads_what_asks_for_it(make_rig: Any) -> None:
    wanted = {"type": "vllm", "model": "org/b", "preload": True}
    rig = await make_rig({"a": 1, "b": wanted})
    assert rig.residents() == [["b"]]


async def test_a_slot_that_does_not_start_is_named(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    rig.slot.start_errors = [RuntimeError("no such device")]
    with pytest.raises(ServiceError, match="Slot slot-0 did not start: no such device"):
        await rig.pool.start()


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
        await _done(waiter)


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
    await _let_others_run()
    assert not waiter.done()
    assert rig.pool.snapshot()["slots"][0]["up"] is False
    rig.slot.may_start.set()
    assert (await _done(waiter)).slot == "slot-0"


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
    await _let_others_run()
    rig.slots[1].may_start.set()
    assert (await _done(waiter)).slot == "slot-1"


async def test_a_lease_whose_slot_dies_during_the_load_gets_the_next_one(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    rig.slot.hold("a")
    waiter = rig.using("a")
    await rig.slot.saw("load a")
    rig.slot.die()
    rig.slot.release("a")
    assert (await _done(waiter)).slot == "slot-0"


async def test_a_slot_that_dies_while_an_engine_drains_serves_who_waited(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    with await rig.pool.lease("a"):
        waiter = rig.using("b")
        await _let_others_run()
        rig.slot.die()
        await _let_others_run()
    assert (await _done(waiter)).slot == "slot-0"


async def test_a_slot_that_dies_again_while_it_comes_back_is_started_again(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    rig.slot.memory_errors = [SlotLost("died again")]
    rig.slot.die()
    await _let_others_run()
    rig.slot.die()
    await _let_others_run()
    assert (await _done(rig.using("a"))).slot == "slot-0"


async def test_a_slot_that_is_slow_to_come_back_is_started_again(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    rig.slot.start_errors = [TimeoutError()]
    await rig.slot.saw("start")
    rig.slot.die()
    await rig.slot.saw("start")
    await rig.slot.saw("start")
    assert (await _done(rig.using("a"))).slot == "slot-0"


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
    assert (await _done(rig.using("a"))).slot == "slot-0"


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


async def test_an_expert_has_an_url_while_it_is_resident(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    assert rig.pool.expert_url("a") is None
    await rig.use("a")
    assert rig.pool.expert_url("a") == "http://slot-0.test/e/a/v1"


async def test_the_snapshot_tells_slots_loads_and_queues(make_rig: Any) -> None:
    rig = await make_rig({"a": 1.5}, memory_gb=4)
    await rig.use("a")
    await rig.pool.refresh()
    shown = rig.pool.snapshot()
    assert shown["slots"] == [
        {
            "id": "slot-0",
            "up": True,
            "memory_gb": 1.5,
            "budget_gb": 4.0,
            "restarts": 0,
            "running": {"a": 0},
            "residents": ["a"],
            "copies": [{"engine": "a", "phase": "ready", "in_use": 0}],
            "asleep": [],
            "doing": None,
        }
    ]
    assert shown["queued"] == {"a": 0}
    told = shown["loads"]["a"]
    assert (told["count"], told["seconds"], told["memory_gb"]) == (1, 0.5, 1.5)
    assert (told["waiting"], told["evictions"], told["failed"]) == (0, 0, None)


async def test_the_memory_of_an_expert_is_measured_when_it_is_not_configured(
    make_rig: Any,
) -> None:
    rig = await make_rig({"a": {"type": "vllm", "model": "org/a"}})
    await rig.use("a")
    assert rig.pool.snapshot()["loads"]["a"]["memory_gb"] == 1.0


@pytest.mark.parametrize("error", [SlotLost("gone"), TimeoutError()], ids=["lost", "busy"])
async def test_a_slot_that_does_not_answer_does_not_break_the_refresh(
    make_rig: Any, error: Exception
) -> None:
    rig = await make_rig({"a": 1})
    rig.slot.memory_errors = [error]
    await rig.pool.refresh()
    assert len(rig.pool.snapshot()["slots"]) == 1


async def test_loads_are_told(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    await rig.use("a")
    assert any(event.startswith("slot-0: a loaded in ") for event in rig.events)
