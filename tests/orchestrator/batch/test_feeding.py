"""In which order lines are asked: property tests of the pure feeder."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.batch.feeding import Engines, Feeder, Room, panels_in_turns, repeated_loads

NAMES = "abcdef"
GROUPS = st.lists(st.frozensets(st.sampled_from(NAMES), max_size=3), max_size=60)
BUDGETS = st.lists(st.integers(1, 6).map(float), max_size=3)
ONE_GB = dict.fromkeys(NAMES, 1.0)


def feeder(
    groups: list[Engines], budgets: list[float], window: int = 4, panels: int = 5, there: str = ""
) -> Feeder:
    room = Room(ONE_GB, budgets)
    return Feeder(enumerate(groups), room, window, panels, lambda: dict.fromkeys(there, "s"))


@given(GROUPS, BUDGETS, st.integers(1, 8), st.integers(1, 8), st.data())
def test_every_line_is_asked_once_within_the_bounds(
    groups: list[Engines], budgets: list[float], window: int, panels: int, data: st.DataObject
) -> None:
    there: set[str] = set()
    room = Room(ONE_GB, budgets)
    turns = panels_in_turns(groups, room)
    one = Feeder(enumerate(groups), room, window, panels, lambda: dict.fromkeys(there, "s"))
    asked: list[int] = []
    running: list[int] = []
    while one.left:
        while (number := one.next()) is not None:
            asked.append(number)
            running.append(number)
        others = Counter(groups[n] for n in running if groups[n] not in turns)
        assert others.total() <= window + sum(1 for count in others.values() if count == 1)
        assert sum(groups[n] in turns for n in running) <= panels
        assert one.kept <= frozenset[str]().union(*(groups[n] for n in running))
        assert running, "somebody is always asked"
        there = data.draw(st.sets(st.sampled_from(NAMES)))
        one.done(running.pop(data.draw(st.integers(0, len(running) - 1))))
    assert sorted(asked) == list(range(len(groups)))
    assert one.kept == frozenset()


def drained(one: Feeder, groups: list[Engines]) -> list[Engines]:
    """The groups in the order in which their first lines were asked, each line done at once."""
    order: list[Engines] = []
    while (number := one.next()) is not None:
        if groups[number] not in order:
            order.append(groups[number])
        one.done(number)
    return order


def test_a_slot_answers_one_group_after_the_other_and_no_slot_is_without_work() -> None:
    a, b, c = frozenset("a"), frozenset("b"), frozenset("c")
    groups = [a] * 20 + [b] * 19 + [c] * 18
    slots = {"a": "one", "b": "one", "c": "two"}
    one = Feeder(enumerate(groups), Room(ONE_GB, [2.0, 1.0]), 11, 5, lambda: slots)
    assert Counter(groups[number] for number in asked_by(one)) == {a: 4, b: 1, c: 6}


def test_what_is_there_goes_first_then_the_longest() -> None:
    groups = [frozenset(name) for name in "aaabbc"]
    a, b, c = frozenset("a"), frozenset("b"), frozenset("c")
    assert drained(feeder(groups, [1.0]), groups) == [a, b, c]
    assert drained(feeder(groups, [1.0], there="c"), groups) == [c, a, b]


def asked_by(one: Feeder) -> list[int]:
    """Everything that may be asked before a line is done."""
    found = []
    while (number := one.next()) is not None:
        found.append(number)
    return found


def test_panels_that_take_turns_come_first_and_all_at_once() -> None:
    panel, single = frozenset("ab"), frozenset("c")
    one = feeder([single] * 3 + [panel] * 3, [2.0])
    assert asked_by(one) == [3, 4, 5, 0]
    assert one.kept == single


def test_beside_panels_a_line_waits_for_its_engine_and_the_others_follow() -> None:
    panel, single = frozenset("ab"), frozenset("a")
    groups = [panel, single, single, single, frozenset("c")]
    there: set[str] = set()
    one = Feeder(enumerate(groups), Room(ONE_GB, [1.0]), 4, 5, lambda: dict.fromkeys(there, "s"))
    assert sorted(asked_by(one)) == [0, 1, 4]
    there.add("a")
    one.done(1)
    assert asked_by(one) == [2, 3]
    assert one.kept == {"a", "c"}
    one.done(2)
    one.done(3)
    assert one.kept == {"c"}


@given(GROUPS, st.integers(1, 50))
def test_where_all_fit_nothing_takes_turns(groups: list[Engines], panels: int) -> None:
    room = Room(ONE_GB, [float(len(NAMES))])
    assert panels_in_turns(groups, room) == frozenset()
    assert repeated_loads(Counter(groups), room, panels) == 0


def test_panels_of_several_waves_load_their_experts_as_often() -> None:
    lines = Counter({frozenset("ab"): 5, frozenset("bc"): 6, frozenset("d"): 90})
    assert repeated_loads(lines, Room(ONE_GB, [2.0]), 11) == 0
    assert repeated_loads(lines, Room(ONE_GB, [2.0]), 10) == 3


def test_a_slot_holds_engines_whole() -> None:
    room = Room({"a": 3.0, "b": 3.0, "c": 1.0}, [4.0, 2.0])
    assert room.holds("ac")
    assert not room.holds("ab")
