"""Faults: loads that fail at the start, odd errors, loads that overrun, watches that break."""

import asyncio
import logging
from typing import Any

import pytest

from experts.errors import ExpertUnavailable


@pytest.mark.parametrize("error", [KeyError("weights"), OSError("disk"), AssertionError()])
async def test_a_load_that_raises_anything_fails_its_engine_alone(
    make_rig: Any, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    rig = await make_rig({"a": 1, "b": 1}, retry_load_s=1e-9)
    rig.slot.load_errors["a"] = [error]
    with pytest.raises(ExpertUnavailable, match=type(error).__name__):
        await rig.use("a")
    assert type(error) in [r.exc_info[0] for r in caplog.records if r.exc_info]
    await rig.use("b")
    await rig.use("a")


async def test_an_odd_error_of_an_unload_leaves_the_engine_serving(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4, retry_load_s=60)
    await rig.use("a")
    rig.slot.unload_errors = [LookupError("odd")]
    with pytest.raises(ExpertUnavailable, match="LookupError: odd"):
        await rig.use("b")
    await rig.use("a")
    assert rig.slot.loads == ["a"]


async def test_a_watch_that_breaks_is_taken_up_again(
    make_rig: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.residency.upkeep.supervisor.RESTART_DELAY_S", 0.0)
    rig = await make_rig({"a": 1}, start=False)
    rig.slot.watch_errors = [ValueError("odd"), ValueError("odd")]
    await rig.pool.start()
    await rig.slot.saw("start")
    await rig.settle()
    rig.slot.die()
    await rig.slot.saw("start")
    await rig.use("a")
    assert [r.levelno for r in caplog.records if "watching" in r.message] == [logging.ERROR] * 2


async def test_a_slot_that_does_not_come_back_for_an_odd_reason_is_tried_again(
    make_rig: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.residency.upkeep.supervisor.RESTART_DELAY_S", 0.0)
    rig = await make_rig({"a": 1})
    await rig.slot.saw("start")
    rig.slot.start_errors = [KeyError("odd")]
    rig.slot.die()
    await rig.slot.saw("start")
    await rig.use("a")


async def test_a_load_that_overruns_is_unloaded_before_anything_else_comes(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4, retry_load_s=60)
    rig.slot.budget_gb = 4.0  # More than that at once is a mistake, which ends the test.
    rig.slot.overruns.add("a")
    rig.slot.hold("unload a")
    with pytest.raises(ExpertUnavailable, match=r"slots\.load_timeout_s; raise it"):
        await rig.use("a")
    waiter = rig.using("b")
    await rig.slot.saw("unload a")
    await rig.settle()
    assert rig.slot.loads == ["a"]
    rig.slot.release("unload a")
    await rig.done(waiter)
    assert rig.slot.loads == ["a", "b"]


async def test_what_an_overrun_leaves_is_unloaded_again_until_it_is_gone(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4, retry_load_s=0.01)
    rig.slot.budget_gb = 4.0
    rig.slot.overruns.add("a")
    rig.slot.unload_errors = [TimeoutError(), RuntimeError("it holds on")]
    with pytest.raises(ExpertUnavailable):
        await rig.use("a")
    await rig.use("b")
    assert rig.slot.unloads == ["a"]
    assert rig.slot.loads == ["a", "b"]
    assert rig.engine("a")["evictions"] == 0


async def test_a_slot_that_dies_takes_the_remains_of_a_load_with_it(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4, retry_load_s=60)
    rig.slot.overruns.add("a")
    rig.slot.hold("unload a")
    with pytest.raises(ExpertUnavailable):
        await rig.use("a")
    await rig.slot.saw("unload a")
    rig.slot.die()
    await rig.use("b")
    assert rig.residents() == [["b"]]


# At the start.


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
    await rig.use("good")
    assert list(rig.pool.failed) == ["bad"]


# Adapters that their engine leaves out, reasons in our words, and a service that winds down.

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
