"""Which slot takes an engine, and who leaves for it: properties over many made-up slots."""

import random

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.residency import Placement, ResidentView, SlotView, place

# Quarters are exact in binary, so that sums in the tests are, too.
GB = st.integers(0, 32).map(lambda quarters: quarters / 4)
SOME_GB = st.integers(1, 32).map(lambda quarters: quarters / 4)


@st.composite
def slot_lists(draw: st.DrawFn) -> list[SlotView]:
    slots = []
    clock = iter(draw(st.permutations(range(1, 17))))
    for number in range(draw(st.integers(0, 4))):
        residents = tuple(
            ResidentView(
                f"e{number}{i}", draw(SOME_GB), draw(st.integers(0, 2)), float(next(clock))
            )
            for i in range(draw(st.integers(0, 4)))
        )
        slots.append(SlotView(f"s{number}", draw(GB), residents))
    return slots


def _leaving(placement: Placement, slots: list[SlotView]) -> tuple[SlotView, list[ResidentView]]:
    slot = next(s for s in slots if s.slot == placement.slot)
    by_name = {r.engine: r for r in slot.residents}
    return slot, [by_name[name] for name in placement.evict]


def _all_gone_gb(slot: SlotView) -> float:
    return slot.free_gb + sum(r.memory_gb for r in slot.residents)


@given(SOME_GB, slot_lists())
def test_nobody_leaves_while_a_slot_has_room(need: float, slots: list[SlotView]) -> None:
    placement = place(need, slots)
    if any(slot.free_gb >= need for slot in slots):
        assert placement is not None
        assert placement.evict == ()


@given(SOME_GB, slot_lists())
def test_the_emptiest_slot_with_room_is_taken(need: float, slots: list[SlotView]) -> None:
    roomy = [slot for slot in slots if slot.free_gb >= need]
    if roomy:
        placement = place(need, slots)
        assert placement is not None
        assert _leaving(placement, slots)[0].free_gb == max(slot.free_gb for slot in roomy)


@given(SOME_GB, slot_lists())
def test_what_is_placed_fits(need: float, slots: list[SlotView]) -> None:
    placement = place(need, slots)
    if placement is not None:
        slot, leaving = _leaving(placement, slots)
        assert slot.free_gb + sum(r.memory_gb for r in leaving) >= need


@given(SOME_GB, slot_lists())
def test_only_what_fits_nowhere_is_refused(need: float, slots: list[SlotView]) -> None:
    fits = any(_all_gone_gb(slot) >= need for slot in slots)
    assert (place(need, slots) is not None) == fits


@given(SOME_GB, slot_lists())
def test_nobody_leaves_in_vain(need: float, slots: list[SlotView]) -> None:
    placement = place(need, slots)
    if placement is not None:
        slot, leaving = _leaving(placement, slots)
        freed = slot.free_gb + sum(r.memory_gb for r in leaving)
        assert [r.engine for r in leaving if freed - r.memory_gb >= need] == []


@given(SOME_GB, slot_lists())
def test_an_engine_in_use_leaves_only_when_the_idle_ones_do_not_suffice(
    need: float, slots: list[SlotView]
) -> None:
    placement = place(need, slots)
    if placement is not None:
        slot, leaving = _leaving(placement, slots)
        idle_gb = sum(r.memory_gb for r in slot.residents if not r.in_use)
        if slot.free_gb + idle_gb >= need:
            assert [r.engine for r in leaving if r.in_use] == []


@given(st.permutations(range(5)), st.integers(1, 5))
def test_of_equal_idle_engines_the_least_recently_used_leave(ages: list[int], need: int) -> None:
    residents = tuple(ResidentView(f"e{age}", 1.0, 0, float(age)) for age in ages)
    placement = place(float(need), [SlotView("s", 0.0, residents)])
    assert placement == Placement("s", tuple(f"e{age}" for age in range(need)))


@given(SOME_GB, slot_lists(), st.randoms(use_true_random=False))
def test_the_order_of_the_slots_changes_nothing_essential(
    need: float, slots: list[SlotView], shuffler: random.Random
) -> None:
    shuffled = list(slots)
    shuffler.shuffle(shuffled)
    first, second = place(need, slots), place(need, shuffled)
    assert (first is None) == (second is None)
    if first is not None and second is not None:
        assert [r.in_use > 0 for r in _leaving(first, slots)[1]] == [
            r.in_use > 0 for r in _leaving(second, slots)[1]
        ]
        if first.evict:
            assert first == second


def test_without_slots_nothing_fits() -> None:
    assert place(1.0, []) is None
