"""Where engines go at a start."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.residency.machine.filling import Wanted, places


def test_each_goes_where_most_is_free() -> None:
    wanted = [Wanted("a", 1.0), Wanted("b", 1.0), Wanted("c", 1.0)]
    assert places(wanted, [3.0, 2.5]) == {"a": 0, "b": 1, "c": 0}


def test_slots_that_are_up_come_first() -> None:
    wanted = [Wanted("a", 1.0), Wanted("b", 1.0)]
    assert places(wanted, [9.0, 1.0], [False, True]) == {"a": 1, "b": 0}


def test_the_largest_come_first_where_more_fit_that_way() -> None:
    small = [Wanted("s", 2.0), Wanted("t", 2.0)]
    found = places([*small, Wanted("large", 4.0)], [4.0, 4.0])
    assert sorted(found) == ["large", "s", "t"]
    assert found["s"] == found["t"] != found["large"]


def test_else_the_order_is_a_preference() -> None:
    assert places([Wanted("s", 2.0), Wanted("large", 3.0)], [4.0]) == {"s": 0}


def test_what_must_be_there_comes_before_all_others() -> None:
    assert places([Wanted("s", 2.0), Wanted("must", 3.0, first=True)], [4.0]) == {"must": 0}


SIZES = st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=8)


@given(SIZES, st.lists(st.integers(0, 12), min_size=1, max_size=4))
def test_no_slot_is_overfull_and_nothing_that_fits_is_left_out(
    sizes: list[tuple[int, bool]], rooms: list[int]
) -> None:
    wanted = [Wanted(f"e{n}", float(gb), first) for n, (gb, first) in enumerate(sizes)]
    found = places(wanted, [float(room) for room in rooms])
    taken: dict[int, float] = defaultdict(float)
    for one in wanted:
        if one.name in found:
            taken[found[one.name]] += one.memory_gb
    left = [room - taken[n] for n, room in enumerate(rooms)]
    assert min(left) >= 0
    assert all(one.memory_gb > max(left) for one in wanted if one.name not in found)
