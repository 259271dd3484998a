"""What happens on the way in and out of a slot: first prompts, leaks, short memory, sleep."""

from typing import Any

import httpx
import pytest

from experts.errors import ExpertUnavailable
from orchestrator.residency.slot import SlotLost
from orchestrator.store.memory_store import MemoryStore

NO_MEMORY = RuntimeError("OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")

AT_ONCE = {"interactive": {"max_wait_s": 1e-6}}


async def _sleeping(make_rig: Any, experts: Any, **slots: Any) -> Any:
    return await make_rig(experts, sleeps=True, **slots)


# The first prompt.


async def test_an_engine_that_repeats_its_first_answer_is_trusted(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    rig.canary_answers = ["la", "lu", "la", "lu"]
    for expert in ("a", "b", "a", "b"):
        await rig.use(expert)
    assert rig.canary_calls == 4
    assert rig.slot.loads == ["a", "b", "a", "b"]


async def test_an_engine_that_comes_back_wrong_is_loaded_afresh(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    rig.canary_answers = ["la", "lu", "wrong", "la"]
    for expert in ("a", "b", "a"):
        await rig.use(expert)
    assert rig.slot.loads == ["a", "b", "a", "a"]
    assert rig.slot.unloads == ["a", "b", "a"]
    assert rig.told("a came back wrong")
    assert rig.engine("a")["failed"] is None


async def test_an_engine_that_stays_wrong_fails_alone(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4, retry_load_s=60)
    rig.canary_answers = ["la", "lu", "wrong", "wrong"]
    await rig.use("a")
    await rig.use("b")
    with pytest.raises(ExpertUnavailable, match="its answer to a known prompt changed") as caught:
        await rig.use("a")
    assert caught.value.expert == "a"
    assert 59 < caught.value.retry_after_s <= 60
    assert rig.residents() == [[]]
    rig.canary_answers = ["lu"]
    await rig.use("b")


async def test_an_engine_that_woke_wrong_is_not_woken_again(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 3}, memory_gb=4, retry_load_s=1e-9)
    rig.canary_answers = ["la", "lu", "wrong", "wrong", "la"]
    await rig.use("a")
    await rig.use("b")
    with pytest.raises(ExpertUnavailable):
        await rig.use("a")
    await rig.use("a")
    assert rig.slot.woken == ["a"]
    assert rig.slot.loads == ["a", "b", "a", "a"]


async def test_no_engine_is_asked_where_that_is_switched_off(make_rig: Any) -> None:
    rig = await make_rig({"a": 1}, canary_tokens=0)
    await rig.use("a")
    assert rig.canary_calls == 0


@pytest.mark.parametrize(
    "answer",
    [
        lambda: httpx.Response(500, text="it broke"),
        lambda: httpx.Response(200, text="no JSON"),
        lambda: httpx.Response(200, json={"choices": None}),
        lambda: httpx.Response(200, json=["a list"]),
    ],
    ids=["status", "text", "null", "list"],
)
async def test_an_engine_that_does_not_answer_its_first_prompt_fails(
    make_rig: Any, answer: Any
) -> None:
    rig = await make_rig({"a": 1, "b": 1}, retry_load_s=1e-9)
    rig.canary_answers = [answer]
    with pytest.raises(ExpertUnavailable, match="a could not be loaded: it did not answer its fir"):
        await rig.use("a")
    assert rig.slot.unloads == ["a"]
    await rig.use("b")
    await rig.use("a")


async def test_a_slot_that_dies_at_the_first_prompt_is_not_the_engines_fault(make_rig: Any) -> None:
    rig = await make_rig({"a": 1})

    def die() -> httpx.Response:
        rig.slot.die()
        raise httpx.ConnectError("refused")

    rig.canary_answers = [die]
    await rig.use("a")
    assert rig.engine("a")["failures"] == 0
    assert rig.slot.loads == ["a", "a"]


# Memory that does not come back.


async def test_memory_that_does_not_come_back_is_told(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4, leak_tolerance_gb=0.25)
    rig.slot.leaks_gb = 0.5
    await rig.use("a")
    await rig.use("b")
    assert rig.engine("a")["leaked_gb"] == 0.5
    assert rig.told("a gave back 2.50 of 3.00 GB: the rest has leaked")
    rig.slot.leaks_gb = 0.75
    await rig.use("a")
    await rig.use("b")
    assert rig.engine("a")["leaked_gb"] == 1.25


async def test_a_leak_within_the_tolerance_is_not_told(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4, leak_tolerance_gb=0.5)
    rig.slot.leaks_gb = 0.25
    await rig.use("a")
    await rig.use("b")
    assert rig.engine("a")["leaked_gb"] == 0.0
    assert rig.told("leaked") == []


async def test_an_engine_that_slept_has_leaked_only_what_it_took(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 3}, memory_gb=4)
    for expert in ("a", "b", "a", "b"):
        await rig.use(expert)
    assert rig.engine("a")["leaked_gb"] == 0.0


# Memory that is short.


async def test_where_memory_is_short_all_that_may_leave_does(make_rig: Any) -> None:
    experts = {"a": 1, "b": 1, "stays": {"memory_gb": 1, "pin": True}, "c": 1}
    rig = await make_rig(experts, memory_gb=8)
    await rig.use("a")
    await rig.use("b")
    rig.slot.load_errors["c"] = [NO_MEMORY]
    await rig.use("c")
    assert sorted(rig.slot.unloads) == ["a", "b"]
    assert rig.slot.loads == ["stays", "a", "b", "c", "c"]
    assert sorted(rig.residents()[0]) == ["c", "stays"]
    assert rig.told("no memory for c; once more with others gone")


async def test_who_has_no_memory_even_then_fails_alone(make_rig: Any) -> None:
    rig = await make_rig({"a": 1, "c": 1}, memory_gb=8)
    await rig.use("a")
    rig.slot.load_errors["c"] = [NO_MEMORY, NO_MEMORY]
    with pytest.raises(
        ExpertUnavailable, match=r"c could not be loaded: It finds too little memory"
    ) as caught:
        await rig.use("c")
    assert caught.value.expert == "c"
    assert rig.slot.loads == ["a", "c", "c"]
    await rig.use("a")
    assert rig.engine("a")["failed"] is None


@pytest.mark.parametrize(
    "words",
    [
        "ValueError: Free memory on device cuda:0 (9.1/79.1 GiB) on startup is less than desired",
        "ValueError: No available memory for the cache blocks. Try increasing",
        "RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
        "MemoryError: std::bad_alloc",
    ],
)
async def test_short_memory_has_many_names(make_rig: Any, words: str) -> None:
    rig = await make_rig({"a": 1}, memory_gb=8)
    rig.slot.load_errors["a"] = [RuntimeError(words)]
    await rig.use("a")
    assert rig.slot.loads == ["a", "a"]


async def test_who_is_in_use_ends_before_it_leaves_for_want_of_memory(make_rig: Any) -> None:
    rig = await make_rig({"a": 1, "c": 1}, classes=AT_ONCE, memory_gb=8)
    rig.slot.load_errors["c"] = [NO_MEMORY]
    with await rig.lease("a"):
        waiter = rig.using("c")
        await rig.slot.saw("load c")
        await rig.settle()
        assert rig.slot.unloads == []
    await rig.done(waiter)
    assert rig.slot.unloads == ["a"]


async def test_a_slot_that_dies_while_others_leave_for_want_of_memory_serves_later(
    make_rig: Any,
) -> None:
    rig = await make_rig({"a": 1, "c": 1}, classes=AT_ONCE, memory_gb=8)
    rig.slot.load_errors["c"] = [NO_MEMORY]
    lease = await rig.lease("a")
    waiter = rig.using("c")
    await rig.slot.saw("load c")
    await rig.settle()
    rig.slot.die()
    await rig.done(waiter)
    lease.release()


# Sleep.


async def test_who_leaves_a_gpu_sleeps_and_wakes(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 3}, memory_gb=4)
    await rig.use("a")
    await rig.use("b")
    assert rig.slot.sleeping == [("a", 1)]
    assert rig.pool.snapshot()["slots"][0]["asleep"] == ["a"]
    await rig.use("a")
    assert rig.slot.woken == ["a"]
    assert rig.slot.loads == ["a", "b"]
    assert rig.slot.unloads == []
    assert rig.pool.snapshot()["slots"][0]["asleep"] == ["b"]


async def test_the_sleep_level_is_passed_on(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 3}, memory_gb=4, sleep_level=2)
    await rig.use("a")
    await rig.use("b")
    assert rig.slot.sleeping == [("a", 2)]


async def test_a_wake_is_measured_apart_from_a_load(make_rig: Any) -> None:
    store = MemoryStore()
    await store.put("costs:a", {"load_s": 10.0})
    rig = await _sleeping(make_rig, {"a": 3, "b": 3}, memory_gb=4, store=store)
    assert rig.engine("a")["wake_s"] == 10.0  # Until one has been seen.
    await rig.use("a")
    loaded = rig.engine("a")
    assert loaded["wake_s"] == loaded["load_s"] == pytest.approx(7, abs=0.5)
    await rig.use("b")
    await rig.use("a")
    woken = rig.engine("a")
    assert woken["load_s"] == loaded["load_s"]
    assert woken["wake_s"] < 1


async def test_who_finds_no_host_memory_is_dropped(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 3, "c": 3}, memory_gb=4, host_memory_gb=5)
    for expert in ("a", "b", "c"):
        await rig.use(expert)
    assert rig.slot.sleeping == [("a", 1)]
    assert rig.slot.unloads == ["b"]
    assert rig.pool.snapshot()["slots"][0]["asleep"] == ["a"]


async def test_who_sleeps_without_its_weights_needs_no_host_memory(make_rig: Any) -> None:
    sizes = {"a": 3, "b": 3}
    rig = await _sleeping(make_rig, sizes, memory_gb=4, sleep_level=2, host_memory_gb=0)
    await rig.use("a")
    await rig.use("b")
    assert rig.slot.sleeping == [("a", 2)]


async def test_without_a_sleep_level_who_leaves_is_dropped(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 3}, memory_gb=4, sleep_level=0)
    await rig.use("a")
    await rig.use("b")
    assert rig.slot.sleeping == []
    assert rig.slot.unloads == ["a"]
    assert rig.pool.snapshot()["slots"][0]["asleep"] == []


async def test_where_nobody_can_sleep_nobody_is_shown_asleep(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    await rig.use("a")
    await rig.use("b")
    assert rig.pool.snapshot()["slots"][0]["asleep"] == []


async def test_who_does_not_wake_is_loaded_the_next_time(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 3}, memory_gb=4, retry_load_s=1e-9)
    await rig.use("a")
    await rig.use("b")
    rig.slot.wake_errors = [RuntimeError("it overslept")]
    with pytest.raises(ExpertUnavailable, match="it overslept"):
        await rig.use("a")
    await rig.use("a")
    assert rig.slot.woken == ["a"]
    assert rig.slot.loads == ["a", "b", "a"]


async def test_who_has_no_memory_to_wake_is_loaded_when_others_have_left(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 3, "c": 1}, memory_gb=4)
    for expert in ("a", "b", "c"):
        await rig.use(expert)
    rig.slot.wake_errors = [NO_MEMORY]
    await rig.use("a")
    assert rig.slot.loads == ["a", "b", "c", "a"]
    assert sorted(engine for engine, _ in rig.slot.sleeping) == ["a", "b", "c"]
    assert rig.residents() == [["a"]]


async def test_a_broken_engine_is_dropped_where_others_sleep(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 1})
    lease = await rig.use("a")
    rig.health = 503
    await rig.pool.suspect(lease)
    await rig.use("a")
    assert rig.slot.sleeping == []
    assert rig.slot.unloads == ["a"]
    assert rig.slot.loads == ["a", "a"]


async def test_a_slot_that_dies_forgets_who_slept(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 3}, memory_gb=4)
    await rig.use("a")
    await rig.use("b")
    await rig.slot.saw("start")
    rig.slot.die()
    await rig.slot.saw("start")
    await rig.use("a")
    assert rig.slot.woken == []


# Leaving that does not work.


async def test_who_could_not_leave_goes_on_serving(make_rig: Any) -> None:
    rig = await make_rig({"a": 2, "b": 2, "c": 4}, memory_gb=4, retry_load_s=60)
    await rig.use("a")
    await rig.use("b")
    rig.slot.unload_errors = [RuntimeError("it holds on")]
    with pytest.raises(ExpertUnavailable, match="it holds on"):
        await rig.use("c")
    assert sorted(rig.residents()[0]) == ["a", "b"]
    await rig.use("a")
    await rig.use("b")
    assert rig.slot.loads == ["a", "b"]


@pytest.mark.parametrize("leaves", [True, False], ids=["leaving", "arriving"])
async def test_a_slot_too_busy_to_tell_its_memory_changes_nothing(
    make_rig: Any, leaves: bool
) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    if leaves:
        await rig.use("b")
        rig.slot.memory_errors = [TimeoutError(), TimeoutError()]
    else:
        rig.slot.memory_errors = [TimeoutError()]
    await rig.use("a")
    await rig.settle()
    assert rig.residents() == [["a"]]
    assert rig.engine("a")["failures"] == 0
    assert rig.engine("b")["leaked_gb"] == 0.0


async def test_an_engine_that_does_not_leave_when_idle_is_told_and_left(make_rig: Any) -> None:
    rig = await make_rig({"a": {"memory_gb": 1, "max_idle_s": 0.02}})
    rig.slot.unload_errors = [RuntimeError("it holds on")]
    await rig.use("a")
    await rig.slot.saw("unload a")
    await rig.settle()
    assert rig.told("a could not leave: it holds on")
    await rig.use("a")
    await rig.slot.saw("unload a")


async def test_a_lost_slot_is_not_blamed_on_who_leaves(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    await rig.use("a")
    rig.slot.unload_errors = [SlotLost("gone")]
    waiter = rig.using("b")
    await rig.slot.saw("unload a")
    rig.slot.die()
    await rig.done(waiter)
    assert rig.engine("b")["failures"] == 0
