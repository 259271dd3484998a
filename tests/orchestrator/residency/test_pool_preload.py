"""What is loaded at the start, and fails: the expert alone, unless the start is strict."""

import asyncio
from typing import Any

import pytest

from experts.errors import ExpertUnavailable


async def test_a_slot_that_dies_while_it_is_filled_serves_all_the_same(make_rig: Any) -> None:
    rig = await make_rig({"a": 1, "b": 1}, start=False, preload=True)
    rig.slot.hold("a")
    starting = asyncio.create_task(rig.pool.start())
    await rig.slot.saw("load a")
    rig.slot.die()
    rig.slot.release("a")
    await asyncio.wait_for(starting, 5)
    await rig.use("a")
    await rig.use("b")


async def test_a_preload_that_fails_is_an_error_of_a_strict_start(make_rig: Any) -> None:
    rig = await make_rig({"a": 1, "b": 1}, start=False, preload=True)
    rig.slot.load_errors["a"] = [RuntimeError("no such file")]
    with pytest.raises(ExpertUnavailable, match="a could not be loaded: no such file"):
        await rig.pool.start(strict=True)


async def test_a_preload_that_fails_is_the_failure_of_its_expert(make_rig: Any) -> None:
    tuned = {"type": "vllm", "model": "org/t", "adapter_of": "b"}
    experts = {"a": 1, "b": {"memory_gb": 1, "pin": True}, "c": 1, "tuned": tuned}
    rig = await make_rig(experts, start=False, preload=True, retry_load_s=60)
    rig.slot.load_errors["b"] = [RuntimeError("no such file")]
    await asyncio.wait_for(rig.pool.start(), 5)
    assert rig.pool.failed == {"b": "no such file", "tuned": "no such file"}
    assert rig.residents() == [["a", "c"]]
    await rig.use("c")
    with pytest.raises(ExpertUnavailable, match="b could not be loaded: no such file"):
        await rig.use("tuned")


async def test_an_expert_whose_preload_failed_is_loaded_for_a_later_request(make_rig: Any) -> None:
    rig = await make_rig({"a": 1}, start=False, preload=True, retry_load_s=1e-9)
    rig.slot.load_errors["a"] = [RuntimeError("once")]
    await asyncio.wait_for(rig.pool.start(), 5)
    assert rig.pool.failed == {"a": "once"}
    await rig.use("a")
    assert rig.pool.failed == {}


async def test_an_expert_that_kills_its_slot_while_it_is_preloaded_fails_alone(
    make_rig: Any,
) -> None:
    rig = await make_rig({"bad": 1, "good": 1}, start=False, preload=True, retry_load_s=60)
    rig.slot.hold("bad")
    starting = asyncio.create_task(rig.pool.start())
    for _ in range(2):
        await rig.slot.saw("load bad")
        rig.slot.die()
    await asyncio.wait_for(starting, 5)
    assert list(rig.pool.failed) == ["bad"]
    await rig.use("good")
