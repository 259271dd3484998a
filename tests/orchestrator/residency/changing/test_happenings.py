"""The moves that a pool remembers, and how its changes are told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.residency.changing.happenings import Happenings


def _noted(happenings: Happenings, *engines: str) -> None:
    for engine in engines:
        happenings.note("loaded", engine, "slot-0", 1.0)


@given(noted=st.integers(0, 30), known=st.integers(0, 35), at_most=st.integers(1, 10))
def test_whoever_knows_some_gets_the_later_ones_that_are_remembered(
    noted: int, known: int, at_most: int
) -> None:
    happenings = Happenings(at_most, clock=lambda: 5.0)
    _noted(happenings, *map(str, range(1, noted + 1)))
    first = max(known, noted - at_most) + 1
    found = happenings.after(known)
    assert [move.number for move in found] == list(range(first, noted + 1))
    assert [move.engine for move in found] == [str(move.number) for move in found]
    assert happenings.after(known, 2) == found[-2:]


def test_moves_that_are_told_again_are_nothing_new() -> None:
    there, here = Happenings(9), Happenings(9)
    _noted(there, "a", "b")
    here.adopt(there.after(0))
    _noted(there, "c")
    here.adopt(there.after(0))
    assert [move.engine for move in here.after(0)] == ["a", "b", "c"]


def test_the_moves_of_a_restarted_controller_are_new_though_it_counts_from_the_beginning() -> None:
    here = Happenings(9)
    for engine, at in (("a", 1.0), ("b", 2.0)):
        controller = Happenings(9, clock=lambda at=at: at)  # type: ignore[misc]
        _noted(controller, engine)
        here.adopt(controller.after(0))
    assert [(move.number, move.engine) for move in here.after(0)] == [(1, "a"), (2, "b")]


def test_only_who_still_listens_hears_of_a_change() -> None:
    happenings, heard = Happenings(9), list[str]()
    with happenings.heard_by(lambda: heard.append("first")):
        with happenings.heard_by(lambda: heard.append("second")):
            happenings.changed()
        _noted(happenings, "a")
    happenings.changed()
    assert heard == ["first", "second", "first"]


async def test_a_pool_notes_what_comes_leaves_and_fails(make_rig: Any) -> None:
    rig = await make_rig({"a": 3, "b": 3}, memory_gb=4)
    await rig.use("a")
    rig.slot.load_errors["b"].append(RuntimeError("its weights are broken"))
    with pytest.raises(Exception, match="could not be loaded"):
        await rig.use("b")
    moves = [(m.kind, m.engine, m.slot) for m in rig.pool.happenings.after(0)]
    assert moves == [
        ("loaded", "a", "slot-0"),
        ("left", "a", "slot-0"),
        ("failed", "b", "slot-0"),
    ]
    loaded, _, failed = rig.pool.happenings.after(0)
    assert loaded.why
    assert "broken" in failed.why


async def test_engines_that_are_lost_with_their_slot_are_noted(make_rig: Any) -> None:
    rig = await make_rig({"a": 1}, memory_gb=4)
    await rig.use("a")
    rig.slot.die()
    await rig.settle()
    assert ("lost", "a") in [(m.kind, m.engine) for m in rig.pool.happenings.after(0)]


async def test_whoever_listens_hears_of_requests_that_wait(make_rig: Any) -> None:
    rig = await make_rig({"a": 1}, memory_gb=4)
    heard: list[int] = []
    with rig.pool.happenings.heard_by(lambda: heard.append(rig.pool.snapshot()["queued"]["a"])):
        await rig.use("a")
    assert heard
