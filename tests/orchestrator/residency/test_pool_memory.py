"""Which experts lie in the slots: placing, evicting, preloading; no process is started."""

import asyncio
from typing import Any

import pytest

from experts.errors import ExpertUnavailable


async def test_what_does_not_fit_beside_it_replaces_an_idle_engine(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    await rig.use("a")
    await rig.use("b")
    assert rig.slot.unloads == ["a"]
    assert rig.residents() == [["b"]]


async def test_who_is_asked_least_leaves(make_rig: Any) -> None:
    rig = await make_rig({"a": 2, "b": 2, "c": 2}, memory_gb=4)
    # So often that no difference between the measured loads of the two outweighs it.
    for expert in ("a", "b", *["a"] * 20, "c"):
        await rig.use(expert)
    assert rig.slot.unloads == ["b"]


async def test_an_engine_in_use_leaves_only_when_it_is_given_back(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    with await rig.pool.lease("a"):
        waiter = rig.using("b")
        await rig.settle()
        assert rig.slot.unloads == []
    await rig.done(waiter)
    assert rig.slot.unloads == ["a"]


async def test_requests_for_an_engine_that_is_leaving_load_it_again(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    with await rig.pool.lease("a"):
        others = [rig.using("b") for _ in range(3)]
        await rig.settle()
        again = rig.using("a")
        await rig.settle()
    await asyncio.gather(*map(rig.done, others))
    await rig.done(again)
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
    await rig.settle()
    assert rig.slot.loads == ["a"]
    rig.slot.release("a")
    await asyncio.gather(*map(rig.done, waiters))
    assert sorted(rig.slot.loads) == ["a", "b"]
    assert rig.slot.unloads == []


async def test_experts_spread_over_the_slots(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4, count=2)
    await rig.use("a")
    await rig.use("b")
    assert sorted(rig.residents()) == [["a"], ["b"]]


async def test_an_adapter_in_use_keeps_its_base_resident(make_rig: Any) -> None:
    adapter = {"type": "vllm", "model": "/adapter", "adapter_of": "a"}
    rig = await make_rig({"a": 3, "tuned": adapter, "b": 3}, memory_gb=4)
    with await rig.pool.lease("tuned"):
        waiter = rig.using("b")
        await rig.settle()
        assert rig.slot.unloads == []
    await rig.done(waiter)


async def test_start_loads_what_fits(make_rig: Any) -> None:
    rig = await make_rig({"a": 2, "b": 2, "c": 2}, memory_gb=4, preload=True)
    assert rig.residents() == [["a", "b"]]


async def test_start_loads_what_asks_for_it(make_rig: Any) -> None:
    wanted = {"type": "vllm", "model": "org/b", "preload": True}
    rig = await make_rig({"a": 1, "b": wanted})
    assert rig.residents() == [["b"]]


async def test_the_memory_of_an_expert_is_measured_when_it_is_not_configured(
    make_rig: Any,
) -> None:
    rig = await make_rig({"a": {"type": "vllm", "model": "org/a"}})
    await rig.use("a")
    assert rig.pool.snapshot()["loads"]["a"]["memory_gb"] == 1.0


PINNED = {"memory_gb": 3, "pin": True}


async def test_a_pinned_expert_is_loaded_at_the_start_and_never_leaves(make_rig: Any) -> None:
    rig = await make_rig({"a": 1, "b": 1, "stays": PINNED}, memory_gb=4)
    assert rig.residents() == [["stays"]]
    for expert in ("a", "b", "a"):
        await rig.use(expert)
    assert rig.slot.unloads == ["a", "b"]
    assert rig.residents() == [["stays", "a"]]


async def test_what_does_not_fit_beside_the_pinned_ones_is_unavailable(make_rig: Any) -> None:
    rig = await make_rig({"a": 2, "stays": PINNED}, memory_gb=4)
    with pytest.raises(ExpertUnavailable, match=r"a needs 2\.00 GB, more than any slot") as caught:
        await rig.use("a")
    assert "slots.memory_gb" in caught.value.hint
    await rig.use("stays")


@pytest.mark.parametrize("key", ["pin", "preload"])
async def test_what_must_be_there_is_placed_before_what_still_fits(make_rig: Any, key: str) -> None:
    wanted = {"memory_gb": 3, key: True}
    rig = await make_rig({"a": 2, "wanted": wanted, "b": 1}, memory_gb=4, preload=True)
    assert rig.residents() == [["wanted", "b"]]


@pytest.mark.parametrize("key", ["pin", "preload"])
async def test_what_must_be_there_and_does_not_fit_is_an_error_of_a_strict_start(
    make_rig: Any, key: str
) -> None:
    wanted = {"memory_gb": 3, key: True}
    rig = await make_rig({"a": wanted, "b": wanted}, memory_gb=4, start=False)
    with pytest.raises(ExpertUnavailable, match=r"b needs 3\.00 GB") as caught:
        await rig.pool.start(strict=True)
    assert "slots.memory_gb" in caught.value.hint


@pytest.mark.parametrize("key", ["pin", "preload"])
async def test_what_must_be_there_and_does_not_fit_fails_alone(make_rig: Any, key: str) -> None:
    wanted = {"memory_gb": 3, key: True}
    rig = await make_rig({"a": wanted, "b": wanted}, memory_gb=4)
    assert rig.residents() == [["a"]]
    assert list(rig.pool.failed) == ["b"]
    assert "needs 3.00 GB, more than any slot has left" in rig.pool.failed["b"]


async def test_nobody_leaves_before_all_are_loaded_at_the_start(make_rig: Any) -> None:
    brief = {"memory_gb": 1, "max_idle_s": 1e-9}
    rig = await make_rig({"a": brief, "b": brief}, preload=True)
    await rig.slot.saw("unload a")
    await rig.slot.saw("unload b")
    assert rig.slot.loads == ["a", "b"]


async def test_an_expert_leaves_when_nobody_has_used_it_for_long(make_rig: Any) -> None:
    rig = await make_rig({"a": {"memory_gb": 1, "max_idle_s": 0.02}, "b": 1})
    await rig.use("b")
    await rig.use("a")
    await rig.slot.saw("unload a")
    await rig.settle()
    assert rig.residents() == [["b"]]
    await rig.use("a")


async def test_an_expert_in_use_is_not_idle(make_rig: Any) -> None:
    brief, longer = ({"memory_gb": 1, "max_idle_s": limit} for limit in (1e-3, 0.02))
    rig = await make_rig({"a": brief, "b": longer})
    await rig.use("b")
    with await rig.lease("a"):
        await rig.slot.saw("unload b")
        await rig.settle()
        assert rig.slot.unloads == ["b"]
    await rig.slot.saw("unload a")


async def test_a_pinned_expert_stays_however_idle_it_is(make_rig: Any) -> None:
    rig = await make_rig(
        {"stays": {**PINNED, "max_idle_s": 1e-9}, "a": {"memory_gb": 1, "max_idle_s": 1e-3}},
        memory_gb=4,
    )
    await rig.use("stays")
    await rig.use("a")
    await rig.slot.saw("unload a")
    await rig.settle()
    assert rig.residents() == [["stays"]]


async def test_who_turns_out_larger_than_estimated_makes_others_leave(make_rig: Any) -> None:
    unknown = {"model": "org/a"}  # It takes 1 GB, which only its load tells.
    rig = await make_rig({"a": unknown, "b": unknown}, memory_gb=1.5)
    await rig.use("a")
    await rig.use("b")
    await rig.settle()
    assert len(rig.slot.unloads) == 1
    assert len(rig.residents()[0]) == 1


@pytest.mark.parametrize("experts", [{"s": 2, "t": 2, "large": 4}, {"large": 4, "s": 2, "t": 2}])
async def test_what_fits_together_is_preloaded_in_whatever_order_it_is_written(
    make_rig: Any, experts: dict[str, int]
) -> None:
    rig = await make_rig(experts, count=2, memory_gb=4, preload=True)
    assert sorted(map(sorted, rig.residents())) == [["large"], ["s", "t"]]


async def test_where_not_all_fit_the_first_of_the_file_are_preloaded(make_rig: Any) -> None:
    rig = await make_rig({"s": 2, "large": 3}, memory_gb=4, preload=True)
    assert rig.residents() == [["s"]]
