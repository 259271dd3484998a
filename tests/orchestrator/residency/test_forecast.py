"""Packing a batch: which slot loads what, in which order, checked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.residency.forecast import Forecast, Stay, Work, forecast, is_measured, work_of

SIZES = st.floats(0.1, 6.0)
SECONDS = st.floats(0.0, 100.0)
WORKS = st.lists(st.tuples(SIZES, SECONDS, SECONDS, SECONDS), max_size=10)


def _works(**seconds: float) -> list[Work]:
    return [Work(name, 1.0, 1.0, work_s) for name, work_s in seconds.items()]


def test_nothing_to_do_takes_no_time() -> None:
    assert forecast([], [4.0]) == Forecast((), 0.0)
    assert forecast([], [4.0]).total_s == 0.0


def test_one_slot_works_through_all_of_it_the_longest_first() -> None:
    found = forecast(_works(short=1, long=5, middle=3), [4.0])
    assert found.stays == (
        Stay("long", 0, 0.0, 6.0),
        Stay("middle", 0, 6.0, 10.0),
        Stay("short", 0, 10.0, 12.0),
    )
    assert (found.loads, found.total_s) == (3, 12.0)


def test_two_slots_share_the_work() -> None:
    # With its load: 8, 6, 5, 4. The 8 and the 6 begin; the 5 goes to who is done at 6, the 4 at 8.
    found = forecast(_works(a=7, b=5, c=4, d=3), [4.0, 4.0])
    assert [(s.engine, s.slot, s.begins_s, s.ends_s) for s in found.stays] == [
        ("a", 0, 0.0, 8.0),
        ("b", 1, 0.0, 6.0),
        ("c", 1, 6.0, 11.0),
        ("d", 0, 8.0, 12.0),
    ]
    assert found.total_s == 12.0


def test_engines_stay_until_their_memory_is_needed() -> None:
    works = [
        Work("a", 2.0, 1.0, 9.0, leave_s=0.5),
        Work("b", 2.0, 1.0, 8.0, leave_s=0.25),
        Work("c", 1.0, 1.0, 7.0),
        Work("d", 3.0, 1.0, 6.0),
    ]
    found = forecast(works, [4.0])
    assert [stay.evicts for stay in found.stays] == [(), (), ("a",), ("b",)]
    # 10 + 9, then a leaves for c: 0.5 + 8; c and d fit, so only b leaves for d: 0.25 + 7.
    assert [stay.ends_s for stay in found.stays] == [10.0, 19.0, 27.5, 34.75]


def test_a_large_engine_goes_where_it_fits() -> None:
    works = [Work("large", 8.0, 1.0, 9.0), Work("small", 1.0, 1.0, 1.0)]
    found = forecast(works, [4.0, 16.0])
    assert [(s.engine, s.slot) for s in found.stays] == [("small", 0), ("large", 1)]


def test_who_fits_nowhere_is_named() -> None:
    found = forecast([Work("large", 8.0, 1.0, 9.0), *_works(small=1)], [4.0])
    assert found.too_large == ("large",)
    assert [stay.engine for stay in found.stays] == ["small"]


def test_equal_work_is_ordered_by_name() -> None:
    assert [s.engine for s in forecast(_works(b=1, a=1), [4.0]).stays] == ["a", "b"]


@given(WORKS, st.lists(st.floats(0.5, 8.0), min_size=1, max_size=4))
def test_every_engine_is_loaded_once_where_it_fits(
    sizes: list[tuple[float, float, float, float]], budgets_gb: list[float]
) -> None:
    works = {f"e{n}": Work(f"e{n}", *size) for n, size in enumerate(sizes)}
    found = forecast(works.values(), budgets_gb)
    assert sorted([s.engine for s in found.stays] + list(found.too_large)) == sorted(works)
    for slot, budget_gb in enumerate(budgets_gb):
        held: list[str] = []
        done_s = 0.0
        for stay in (s for s in found.stays if s.slot == slot):
            held = [name for name in held if name not in stay.evicts] + [stay.engine]
            assert sum(works[name].memory_gb for name in held) <= budget_gb + 1e-9
            assert stay.begins_s == pytest.approx(done_s)
            done_s = stay.ends_s
    moves_s = sum(works[s.engine].load_s + works[s.engine].work_s for s in found.stays)
    assert found.total_s >= moves_s / len(budgets_gb) - 1e-6


def test_what_is_there_is_not_loaded_and_its_work_counts() -> None:
    works = [Work("a", 1.0, 5.0, 2.0), Work("b", 1.0, 5.0, 3.0)]
    found = forecast(works, [1.0, 1.0], [["a"], []])
    assert [stay.engine for stay in found.stays] == ["b"]
    assert found.total_s == 8.0


def test_a_call_takes_its_share_once_that_is_measured_and_waves_before() -> None:
    entry = {"load_s": 2.0, "service_s": 0.5, "share_s": 0.01, "leave_s": 0.1}
    before = work_of("a", 300, 128, 1.0, {**entry, "measured": ["load_s"]})
    after = work_of("a", 300, 128, 1.0, {**entry, "measured": ["load_s", "share_s"]})
    assert (before.work_s, after.work_s) == (3 * 0.5, 300 * 0.01)
    assert (after.load_s, after.leave_s) == (2.0, 0.1)
    assert not is_measured({"measured": ["load_s"]})
    assert is_measured({"measured": ["load_s", "share_s"]})
