"""Experts come, change and go in a pool that serves."""

import asyncio
from typing import Any

import pytest
from pool_rig import Rig
from scripted_slot import PATIENCE_S

from experts.errors import ExpertUnavailable, ReloadRefused
from experts.persona import Persona

OTHER = {"type": "vllm", "model": "org/other", "memory_gb": 1}


async def ended(task: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(PATIENCE_S):
        await task


async def drains(rig: Rig, name: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while {"engine": name, "phase": "draining", "in_use": 1} not in (
            rig.pool.snapshot()["slots"][0]["replicas"]
        ):
            await asyncio.sleep(0)


@pytest.fixture
async def rig(make_rig: Any) -> Rig:
    """Two experts that are resident, in a slot for eight."""
    made: Rig = await make_rig({"a": 1, "b": 1}, memory_gb=8, preload=True)
    return made


async def test_a_new_expert_is_loaded_when_the_change_is_done(rig: Rig, make_config: Any) -> None:
    await rig.become(make_config({"a": 1, "b": 1, "c": 1}))
    assert rig.residents() == [["a", "b", "c"]]
    await rig.use("c")
    assert rig.slot.loads == ["a", "b", "c"]


async def test_a_new_expert_without_room_waits_for_its_first_request(
    make_rig: Any, make_config: Any
) -> None:
    rig = await make_rig({"a": 3}, memory_gb=4, preload=True)
    await rig.become(make_config({"a": 3, "b": 3}))
    assert rig.slot.loads == ["a"]
    await rig.use("b")


async def test_others_leave_for_a_new_expert_that_is_to_be_there(
    make_rig: Any, make_config: Any
) -> None:
    rig = await make_rig({"a": 3}, memory_gb=4, preload=True)
    pinned = {"type": "vllm", "model": "org/b", "memory_gb": 3, "pin": True}
    await rig.become(make_config({"a": 3, "b": pinned}))
    assert rig.residents() == [["b"]]


async def test_a_removed_expert_ends_what_it_has_begun_then_leaves(
    rig: Rig, make_config: Any
) -> None:
    before = rig.pool
    lease = await rig.lease("a")
    await rig.become(make_config({"b": 1}))
    assert rig.slot.unloads == []
    lease.release()
    await rig.slot.saw("unload a")
    await rig.settle()
    assert rig.residents() == [["b"]]
    assert rig.told("a left the pool") == ["a left the pool, as the configuration says"]
    with pytest.raises(ExpertUnavailable, match="no longer in the pool"):
        await before.lease("a")
    assert before.out_of_reach == {"a": "expert_unavailable"}
    assert before.expert_url("a") is None
    assert before.delay_s("a") == 0.0
    assert before.doing("a") == "a has left the pool"


async def test_who_waits_for_a_removed_expert_that_is_there_is_served(
    make_rig: Any, make_config: Any
) -> None:
    narrow = {"type": "vllm", "model": "org/a", "max_in_flight": 1}
    rig = await make_rig({"a": narrow, "b": 1}, memory_gb=8, preload=True)
    lease = await rig.lease("a")
    waiting = [rig.using("a") for _ in range(3)]
    await rig.settle()
    await rig.become(make_config({"b": 1}))
    lease.release()
    await asyncio.gather(*map(rig.done, waiting))
    await rig.slot.saw("unload a")


async def test_who_waits_for_a_removed_expert_that_is_not_there_is_told(
    make_rig: Any, make_config: Any
) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    held = await rig.lease("a")
    waiting = rig.using("b")
    await rig.settle()
    await rig.become(make_config({"a": 3}))
    with pytest.raises(ExpertUnavailable, match="b is no longer in the pool"):
        await rig.done(waiting)
    held.release()


async def test_a_changed_expert_is_replaced_after_it_has_drained(
    rig: Rig, make_config: Any
) -> None:
    lease = await rig.lease("a")
    changing = rig.becoming(make_config({"a": OTHER, "b": 1}))
    await drains(rig, "a")
    assert not changing.done()
    waiting = rig.using("a")  # With the pool of before, it waits for the new one.
    await rig.settle()
    assert not waiting.done()
    lease.release()
    await ended(changing)
    await rig.done(waiting)
    assert rig.slot.loads == ["a", "b", "a"]
    assert rig.slot.unloads == ["a"]
    assert rig.engine("a")["count"] == 1


async def test_bounds_and_words_change_without_a_load(rig: Rig, make_config: Any) -> None:
    described = {
        "type": "vllm",
        "model": "org/a",
        "memory_gb": 1,
        "max_in_flight": 1,
        "system": "Be brief.",
    }
    await rig.become(make_config({"a": described, "b": 1}))
    lease = await rig.lease("a")
    assert isinstance(lease.engine, Persona)
    second = rig.using("a")
    await rig.settle()
    assert not second.done()
    lease.release()
    await rig.done(second)
    assert rig.slot.loads == ["a", "b"]


async def test_one_that_cannot_be_loaded_changes_nothing(rig: Rig, make_config: Any) -> None:
    before = rig.pool
    rig.slot.load_errors["c"].append(RuntimeError("its files are cut off"))
    with pytest.raises(ReloadRefused, match="c could not be loaded: its files are cut off"):
        await rig.become(make_config({"a": 1, "b": 1, "c": 1}))
    await rig.settle()
    assert rig.pool is before
    assert rig.residents() == [["a", "b"]]
    assert "c" not in rig.pool.snapshot()["loads"]


async def test_who_waits_outlasts_a_change_that_fails(rig: Rig, make_config: Any) -> None:
    rig.slot.load_errors["a"].append(RuntimeError("no such model"))
    rig.slot.hold("a")
    changing = rig.becoming(make_config({"a": OTHER, "b": 1}))
    await rig.slot.saw("load a")
    await rig.slot.saw("load a")
    waiting = rig.using("a")
    rig.slot.release("a")
    with pytest.raises(ReloadRefused, match="no such model"):
        await ended(changing)
    await rig.done(waiting)
    assert rig.residents() == [["b", "a"]]


async def test_one_that_fits_no_slot_is_refused_at_once(rig: Rig, make_config: Any) -> None:
    with pytest.raises(ReloadRefused, match="more than any slot has left"):
        await rig.become(make_config({"a": 1, "b": 1, "c": 9}))
    await rig.use("a")


async def test_one_that_comes_back_while_it_is_still_there_stays(
    make_rig: Any, make_config: Any
) -> None:
    narrow = {"type": "vllm", "model": "org/a", "max_in_flight": 1, "memory_gb": 1}
    rig = await make_rig({"a": narrow, "b": 1}, memory_gb=8, preload=True)
    lease = await rig.lease("a")
    waiting = [rig.using("a") for _ in range(2)]
    await rig.settle()
    await rig.become(make_config({"b": 1}))
    await rig.become(make_config({"a": narrow, "b": 1}))
    lease.release()
    await asyncio.gather(*map(rig.done, waiting))
    await rig.use("a")
    assert (rig.slot.loads, rig.slot.unloads) == (["a", "b"], [])


async def test_one_that_comes_back_while_it_drains_is_loaded_again(
    rig: Rig, make_config: Any
) -> None:
    lease = await rig.lease("a")
    await rig.become(make_config({"b": 1}))
    changing = rig.becoming(make_config({"a": 1, "b": 1}))
    await rig.settle()
    assert not changing.done()
    lease.release()
    await ended(changing)
    assert rig.slot.loads == ["a", "b", "a"]


async def test_one_that_sleeps_is_dropped_when_it_is_removed(
    make_rig: Any, make_config: Any
) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4, sleeps=True)
    await rig.use("a")
    await rig.use("b")
    assert rig.slot.sleeping == [("a", 1)]
    await rig.become(make_config({"a": {**OTHER, "memory_gb": 3}, "b": 3}))
    await rig.slot.saw("unload a")
    await rig.use("a")
    assert rig.slot.woken == []
    assert rig.slot.loads == ["a", "b", "a"]


async def test_an_adapter_that_comes_loads_its_base_anew(rig: Rig, make_config: Any) -> None:
    adapter = {"type": "vllm", "model": "org/l", "adapter_of": "a"}
    await rig.become(make_config({"a": 1, "b": 1, "l": adapter}))
    await rig.use("l")
    assert rig.slot.loads == ["a", "b", "a"]
    await rig.become(make_config({"a": 1, "b": 1}))
    assert rig.slot.loads == ["a", "b", "a", "a"]
    with pytest.raises(ExpertUnavailable, match="no longer in the pool"):
        await rig.use("l")


async def test_an_adapter_that_is_left_out_refuses_the_change(rig: Rig, make_config: Any) -> None:
    rig.slot.refuses["l"] = "its rank is too large"
    adapter = {"type": "vllm", "model": "org/l", "adapter_of": "a"}
    with pytest.raises(ReloadRefused, match="l could not be loaded: its rank is too large"):
        await rig.become(make_config({"a": 1, "b": 1, "l": adapter}))
    await rig.use("a")


async def test_remote_experts_keep_their_queues(make_rig: Any, make_config: Any) -> None:
    remote = {"type": "openai", "base_url": "http://r.test/v1", "model": "m", "max_in_flight": 1}
    rig = await make_rig({"a": 1, "r": remote}, memory_gb=8)
    lease = await rig.lease("r")
    await rig.become(make_config({"a": 1, "r": remote, "s": remote}))
    second = rig.using("r")
    await rig.use("s")
    await rig.settle()
    assert not second.done()
    lease.release()
    await rig.done(second)
