"""The yardstick for saved loads: first come, least recently used out."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.residency.lru_baseline import LruBaseline


def test_a_sequence_checked_by_hand() -> None:
    shadow = LruBaseline(4.0)
    loaded = []
    for engine in "abacbbca":
        before = sum(shadow.loads.values())
        shadow.request(engine, 2.0)
        loaded.append(sum(shadow.loads.values()) > before)
    # a and b come; a is there; c comes for b; b for a; b and c are there; a comes for b.
    assert loaded == [True, True, False, True, True, False, False, True]
    assert shadow.loads == {"a": 2, "b": 2, "c": 1}


def test_a_large_one_makes_several_leave() -> None:
    shadow = LruBaseline(4.0)
    for engine, memory_gb in (("a", 1.0), ("b", 2.0), ("c", 3.0), ("a", 1.0), ("b", 2.0)):
        shadow.request(engine, memory_gb)
    # c sends a and b away; a fits beside c; b makes c leave.
    assert shadow.loads == {"a": 2, "b": 2, "c": 1}
    shadow.request("a", 1.0)
    assert shadow.loads["a"] == 2


def test_one_that_fits_nowhere_is_loaded_all_the_same() -> None:
    shadow = LruBaseline(1.0)
    for engine in ("huge", "huge", "a", "huge"):
        shadow.request(engine, 9.0 if engine == "huge" else 1.0)
    assert shadow.loads == {"huge": 2, "a": 1}


@given(st.lists(st.sampled_from("abcdef"), max_size=60), st.integers(1, 6))
def test_with_room_for_more_nothing_is_loaded_more_often(arrivals: list[str], room: int) -> None:
    small, large = LruBaseline(room), LruBaseline(room + 1)
    for engine in arrivals:
        small.request(engine, 1.0)
        large.request(engine, 1.0)
    assert sum(large.loads.values()) <= sum(small.loads.values())
    assert set(large.loads) == set(arrivals)


async def test_the_snapshot_tells_the_loads_that_were_saved(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    holder = await rig.lease("a")
    waiters = [rig.using(name, "batch") for name in ("b", "a", "b", "a", "b")]
    await rig.settle()
    holder.release()
    for waiter in waiters:
        await rig.done(waiter)
    shown = {name: rig.engine(name) for name in ("a", "b")}
    assert {name: (e["first_come_loads"], e["count"], e["saved"]) for name, e in shown.items()} == {
        "a": (3, 1, 2),
        "b": (3, 1, 2),
    }


async def test_what_a_process_takes_by_itself_is_no_room_for_experts(make_rig: Any) -> None:
    rig = await make_rig({"a": 2, "b": 2}, memory_gb=4, start=False)
    rig.slot.base_gb = 1.0
    await rig.pool.start()
    for expert in ("a", "b", "a"):
        await rig.use(expert)
    assert rig.slot.loads == ["a", "b", "a"]
    assert rig.engine("a")["first_come_loads"] == 2
    assert rig.engine("a")["saved"] == 0
