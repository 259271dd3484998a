"""Drains have a deadline: what holds a slot for too long is aborted, and the others go on."""

import asyncio
from typing import Any

AT_ONCE = {"interactive": {"max_wait_s": 1e-6}}


async def _full(make_rig: Any, drain_timeout_s: float) -> Any:
    """A slot for one engine."""
    return await make_rig(
        {"a": 3, "b": 3}, classes=AT_ONCE, memory_gb=4, drain_timeout_s=drain_timeout_s
    )


async def test_a_request_that_never_ends_does_not_keep_the_slot(make_rig: Any) -> None:
    rig = await _full(make_rig, 0.02)
    stalled = await rig.lease("a")
    await rig.use("b")
    assert rig.slot.unloads == ["a"]
    assert rig.told("1 requests of a did not end within 0.02 s (slots.drain_timeout_s)")
    stalled.release()  # It may still do so, and that changes nothing.
    await rig.use("a")
    replicas = rig.pool.snapshot()["slots"][0]["replicas"]
    assert replicas == [{"engine": "a", "phase": "ready", "in_use": 0}]


async def test_within_the_deadline_a_drain_waits(make_rig: Any) -> None:
    rig = await _full(make_rig, 60.0)
    with await rig.lease("a"):
        waiter = rig.using("b")
        await rig.settle()
        await asyncio.sleep(0)
        assert rig.slot.unloads == []
    await rig.done(waiter)
    assert rig.told("did not end") == []


async def test_a_drain_for_want_of_memory_has_the_same_deadline(make_rig: Any) -> None:
    rig = await make_rig({"a": 1, "c": 1}, classes=AT_ONCE, memory_gb=8, drain_timeout_s=0.02)
    rig.slot.load_errors["c"] = [RuntimeError("CUDA out of memory")]
    await rig.lease("a")
    await rig.use("c")
    assert rig.slot.unloads == ["a"]
