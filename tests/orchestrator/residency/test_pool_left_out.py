"""Adapters that their engine leaves out, failures in our words, and a service that winds down."""

import logging
from typing import Any

import pytest

from experts.errors import ExpertUnavailable

ADAPTER = {"type": "vllm", "model": "/adapter", "adapter_of": "a"}


async def test_an_adapter_that_fails_takes_nobody_along(
    make_rig: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rig = await make_rig({"a": 1, "bad": ADAPTER, "good": ADAPTER}, start=False)
    rig.slot.refuses["bad"] = "ValueError: LoRA rank 64 is greater than max_lora_rank 16"
    await rig.pool.start()
    with pytest.raises(ExpertUnavailable, match="bad could not be loaded: The adapter's rank, 64"):
        await rig.use("bad")
    await rig.use("a")
    await rig.use("good")
    assert rig.slot.loads == ["a"]
    assert list(rig.pool.failed) == ["bad"]
    (slot,) = rig.pool.snapshot()["slots"]
    assert slot["residents"] == ["a", "good"]
    assert "bad" in rig.engine("a")["refused"]
    assert rig.told("slot-0: a, good loaded")
    assert rig.told("bad could not be loaded beside a")
    assert [r.levelname for r in caplog.records if "LoRA rank 64" in r.message] == ["WARNING"]


async def test_an_adapter_that_was_mended_is_served_after_the_next_load(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3, "bad": ADAPTER}, memory_gb=4, start=False)
    rig.slot.refuses["bad"] = "broken"
    await rig.pool.start()
    with pytest.raises(ExpertUnavailable, match="broken"):
        await rig.use("bad")
    rig.slot.refuses.clear()
    await rig.use("b")
    await rig.use("bad")
    assert rig.pool.failed == {}


async def test_a_strict_start_ends_with_an_adapter_that_fails(make_rig: Any) -> None:
    rig = await make_rig({"a": {"type": "vllm", "model": "org/a", "memory_gb": 1, "preload": True},
                          "bad": ADAPTER}, start=False)  # fmt: skip
    rig.slot.refuses["bad"] = "broken"
    with pytest.raises(ExpertUnavailable, match="bad could not be loaded: broken"):
        await rig.pool.start(strict=True)


async def test_an_adapter_stays_left_out_while_its_engine_sleeps(make_rig: Any) -> None:
    rig = await make_rig(
        {"a": 3, "b": 3, "bad": ADAPTER},
        memory_gb=4, sleeps=True, sleep_level=1, host_memory_gb=9, start=False,
    )  # fmt: skip
    rig.slot.refuses["bad"] = "broken"
    await rig.pool.start()
    await rig.use("a")
    await rig.use("b")
    with pytest.raises(ExpertUnavailable, match="broken"):
        await rig.use("bad")
    assert rig.slot.woken == ["a"]


async def test_a_load_that_fails_is_a_warning_with_the_engines_words(
    make_rig: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rig = await make_rig({"a": 1})
    raw = "ValueError: There is no module or parameter named 'h' in LlamaForCausalLM"
    rig.slot.load_errors["a"] = [RuntimeError(raw)]
    with pytest.raises(ExpertUnavailable, match=r"experts\.a\.model have `h`"):
        await rig.use("a")
    warnings = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert f"loading a failed: {raw}" in warnings


async def test_a_service_that_stops_waits_for_no_load(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4, start=False)
    await rig.pool.start()
    lease = await rig.lease("a")
    rig.slot.hold("b")
    waiting = rig.using("b")
    await rig.settle()
    rig.pool.wind_down()
    with pytest.raises(ExpertUnavailable, match="The service stops, and expert b is loaded"):
        await rig.done(waiting)
    await rig.settle()
    with pytest.raises(ExpertUnavailable, match="The service stops"):
        await rig.use("b")
    lease.release()


async def test_who_waits_for_a_turn_gets_it_while_the_service_stops(make_rig: Any) -> None:
    spec = {"type": "vllm", "model": "org/a", "memory_gb": 1, "max_in_flight": 1}
    rig = await make_rig({"a": spec})
    lease = await rig.lease("a")
    waiting = rig.leasing("a")
    await rig.settle()
    rig.pool.wind_down()
    await rig.settle()
    assert not waiting.done()
    lease.release()
    (await rig.done(waiting)).release()
