"""Engines that sleep on a GPU: what they hold, when they are dropped, how deep they sleep."""

from typing import Any


async def _sleeping(make_rig: Any, experts: Any, **slots: Any) -> Any:
    rig = await make_rig(experts, sleeps=True, **slots)
    rig.slot.kept_gb = 0.6
    rig.slot.budget_gb = slots["memory_gb"]
    return rig


async def test_what_an_engine_holds_asleep_counts(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 3}, memory_gb=4)
    await rig.use("a")
    await rig.use("b")
    assert rig.slot.sleeping == [("a", 1)]
    assert rig.slot.unloads == []
    assert rig.pool.snapshot()["slots"][0]["asleep"] == ["a"]


async def test_the_engine_that_has_slept_longest_makes_room(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 3, "c": 3}, memory_gb=4)
    for expert in ("a", "b", "c"):
        await rig.use(expert)
    # 3 GB beside twice 0.6 GB are too much for 4 GB.
    assert rig.slot.unloads == ["a"]
    assert rig.pool.snapshot()["slots"][0]["asleep"] == ["b"]
    await rig.use("a")
    assert rig.slot.loads == ["a", "b", "c", "a"]
    assert rig.slot.unloads == ["a", "b"]


async def test_a_sleeper_makes_no_room_for_itself(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3.2, "b": 3.2}, memory_gb=4)
    for expert in ("a", "b", "a", "b"):
        await rig.use(expert)
    assert rig.slot.woken == ["a", "b"]
    assert rig.slot.unloads == []


async def test_a_sleeper_that_cannot_be_dropped_is_tried_to_do_without(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 3, "c": 3}, memory_gb=4)
    rig.slot.budget_gb = 9  # It stays where it is.
    await rig.use("a")
    await rig.use("b")
    rig.slot.unload_errors = [RuntimeError("stuck")]
    await rig.use("c")
    assert rig.told("a could not be dropped: stuck")
    assert rig.residents() == [["c"]]


async def test_what_a_sleeper_keeps_beyond_its_context_is_a_leak(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 2}, memory_gb=4, sleeping_gb=0.5)
    await rig.use("a")
    await rig.use("b")
    assert rig.told("a gave back 2.40 of 3.00 GB: the rest has leaked")
    assert rig.engine("a")["leaked_gb"] == 0.6


async def test_what_a_sleeper_may_keep_is_no_leak(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 2}, memory_gb=4, sleeping_gb=1.0)
    await rig.use("a")
    await rig.use("b")
    assert rig.told("leaked") == []


async def test_an_engine_that_does_not_survive_level_2_sleeps_at_level_1(make_rig: Any) -> None:
    rig = await _sleeping(make_rig, {"a": 3, "b": 3}, memory_gb=4, sleep_level=2)
    rig.canary_answers = ["la", "lu", "wrong", "la", "lu"]
    for expert in ("a", "b", "a"):
        await rig.use(expert)
    assert rig.told("a does not survive sleep level 2")
    await rig.use("b")
    levels = [level for name, level in rig.slot.sleeping if name == "a"]
    assert levels == [2, 1]
    assert [level for name, level in rig.slot.sleeping if name == "b"] == [2]


async def test_without_a_canary_no_engine_sleeps_at_level_2(make_rig: Any) -> None:
    sizes = {"a": 3, "b": 3}
    rig = await _sleeping(make_rig, sizes, memory_gb=4, sleep_level=2, canary_tokens=0)
    await rig.use("a")
    await rig.use("b")
    assert rig.slot.sleeping == [("a", 1)]


async def test_what_could_not_be_measured_before_is_no_leak(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    await rig.use("a")
    rig.slot.memory_errors = [TimeoutError()]
    await rig.use("b")
    assert rig.slot.unloads == ["a"]
    assert rig.told("leaked") == []
