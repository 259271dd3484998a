"""Leases on experts: loads shared, queues bounded, and what the pool tells."""

import asyncio
from typing import Any

import pytest

from experts.errors import ExpertLost, ExpertOverloaded, ExpertPaused
from experts.persona import Persona
from experts.types import Request


async def test_many_waiters_share_one_load(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    rig.slot.hold("a")
    waiters = [rig.using("a") for _ in range(20)]
    await rig.slot.saw("load a")
    rig.slot.release("a")
    await asyncio.gather(*map(rig.done, waiters))
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


async def test_a_full_queue_refuses_further_requests(make_rig: Any) -> None:
    spec = {"type": "vllm", "model": "org/a", "max_in_flight": 1, "max_queued": 1}
    rig = await make_rig({"a": spec})
    with await rig.pool.lease("a"):
        waiter = rig.using("a")
        await rig.settle()
        with pytest.raises(ExpertOverloaded, match="1 requests wait for expert a"):
            await rig.use("a")
    await rig.done(waiter)


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
            await rig.settle()
            assert not third.done()
            assert rig.pool.snapshot()["queued"] == {"a": 1}
        await rig.done(third)


async def test_a_waiter_that_leaves_the_queue_frees_its_place(make_rig: Any) -> None:
    spec = {"type": "vllm", "model": "org/a", "max_in_flight": 1, "max_queued": 1}
    rig = await make_rig({"a": spec})
    with await rig.pool.lease("a"):
        leaves = rig.using("a")
        await rig.settle()
        leaves.cancel()
        await rig.settle()
        stays = rig.using("a")
    await rig.done(stays)


async def test_a_full_queue_says_how_long_those_that_wait_will_take(make_rig: Any) -> None:
    spec = {"type": "vllm", "model": "org/a", "max_in_flight": 1, "max_queued": 4}
    rig = await make_rig({"a": spec})
    with await rig.pool.lease("a"):
        waiting = [rig.using("a") for _ in range(4)]
        await rig.settle()
        service_s = rig.engine("a")["service_s"]
        with pytest.raises(ExpertOverloaded) as caught:
            await rig.use("a")
        assert caught.value.retry_after_s == pytest.approx(4 * service_s, abs=1e-3)
    for waiter in waiting:
        await rig.done(waiter)


async def test_a_line_of_a_batch_waits_where_the_queue_is_full_or_it_gave_way(
    make_rig: Any,
) -> None:
    spec = {"type": "vllm", "model": "org/a", "max_in_flight": 1, "max_queued": 1}
    rig = await make_rig({"a": spec})
    with await rig.pool.lease("a"):
        lines = [asyncio.create_task(rig.pool.lease("a", "batch", patient=True)) for _ in range(2)]
        await rig.settle()
        online = rig.using("a")  # It takes the place of the line that waits.
        await rig.settle()
        assert not any(line.done() for line in lines)
        with pytest.raises(ExpertOverloaded):
            await rig.use("a", "batch")
    await rig.done(online)
    for line in asyncio.as_completed(lines):
        (await line).release()


async def test_a_slot_that_was_lost_is_no_failure_of_its_expert(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    lost = ExpertLost("The connection broke.", expert="a")
    for _ in range(9):
        lease = await rig.use("a")
        rig.health = 503  # Its engine has died: it will be loaded again, and is waited for.
        await rig.pool.failed_early(lease, lost)
        rig.health = 200
    assert rig.pool.out_of_reach == {}
    for _ in range(9):
        await rig.pool.failed_early(await rig.use("a"), lost)
        if rig.pool.out_of_reach:
            break
    assert rig.pool.out_of_reach == {"a": "expert_paused"}
    with pytest.raises(ExpertPaused):
        await rig.use("a")


async def test_adapters_share_the_engine_of_their_base(make_rig: Any) -> None:
    adapter = {"type": "vllm", "model": "/adapter", "adapter_of": "a"}
    rig = await make_rig({"a": 1, "tuned": adapter})
    base, tuned = await rig.use("a"), await rig.use("tuned")
    assert rig.slot.loads == ["a"]
    assert base.engine.endpoint.base_url.endswith("/e/a/v1")
    assert tuned.engine.endpoint.base_url.endswith("/e/tuned/v1")


async def test_a_remote_expert_needs_no_slot(make_rig: Any) -> None:
    remote = {"type": "openai", "base_url": "http://far.test/v1", "model": "m", "api_key": "k"}
    rig = await make_rig({"far": remote})
    lease = await rig.use("far")
    assert lease.slot is None
    assert lease.engine.endpoint.base_url == "http://far.test/v1"
    assert lease.engine.endpoint.headers()["authorization"] == "Bearer k"
    assert rig.slot.loads == []


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
            "node": None,
            "up": True,
            "reached": True,
            "wanted": True,
            "memory_gb": 1.5,
            "budget_gb": 4.0,
            "room_gb": 4.0,
            "restarts": 0,
            "cuts": 0,
            "asks": 0,
            "running": {"a": 0},
            "residents": ["a"],
            "replicas": [{"engine": "a", "phase": "ready", "in_use": 0}],
            "asleep": [],
            "doing": None,
        }
    ]
    assert shown["queued"] == {"a": 0}
    told = shown["loads"]["a"]
    assert (told["count"], told["seconds"], told["memory_gb"]) == (1, 0.5, 1.5)
    assert (told["waiting"], told["evictions"], told["failed"]) == (0, 0, None)


async def test_in_an_engine_those_without_an_age_bound_come_later(make_rig: Any) -> None:
    rig = await make_rig({"a": 1.5})
    request = Request("r", "completions", {"prompt": "x"})
    with await rig.pool.lease("a", "batch") as later, await rig.pool.lease("a") as soon:
        assert later.engine.asked(request).body == {"prompt": "x", "priority": 1}
        assert not isinstance(soon.engine, Persona)
        chosen = Request("r", "completions", {"prompt": "x", "priority": -3})
        assert later.engine.asked(chosen).body["priority"] == -3


async def test_loads_are_told(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})
    await rig.use("a")
    assert any(event.startswith("slot-0: a loaded in ") for event in rig.events)
