"""In which order lines are asked: property tests of the pure feeder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.batch.feeding import (
    Engines,
    Feeder,
    Room,
    Routed,
    panels_in_turns,
    repeated_loads,
)

NAMES = "abcdef"
GROUPS = st.lists(st.frozensets(st.sampled_from(NAMES), max_size=3), max_size=60)
BUDGETS = st.lists(st.integers(1, 6).map(float), max_size=3)
ONE_GB = dict.fromkeys(NAMES, 1.0)


def made(
    groups: list[Engines],
    budgets: list[float],
    resident: Callable[[], Mapping[str, str]],
    window: int = 4,
    panels: int = 5,
) -> Feeder:
    """With all lines in it."""
    one = Feeder(Room(ONE_GB, budgets), window, panels, resident)
    one.add(lines(enumerate(groups)))
    one.complete()
    return one


def lines(asks: Iterable[tuple[int, Engines]]) -> list[Routed]:
    """Of experts that have engines of their own."""
    return [Routed(number, engines, engines) for number, engines in asks]


def feeder(groups: list[Engines], budgets: list[float], there: str = "") -> Feeder:
    return made(groups, budgets, lambda: dict.fromkeys(there, "s"))


@given(GROUPS, BUDGETS, st.integers(1, 8), st.integers(1, 8), st.data())
def test_every_line_is_asked_once_within_the_bounds(
    groups: list[Engines], budgets: list[float], window: int, panels: int, data: st.DataObject
) -> None:
    there: set[str] = set()
    room = Room(ONE_GB, budgets)
    one = Feeder(room, window, panels, lambda: dict.fromkeys(there, "s"))
    to_come = list(enumerate(groups))
    asked: list[int] = []
    running: list[int] = []
    while to_come or one.left:
        if to_come and (not running or data.draw(st.booleans())):
            some = data.draw(st.integers(1, len(to_come)))
            one.add(lines(to_come[:some]))
            del to_come[:some]
            if not to_come:
                one.complete()
        while (number := one.next()) is not None:
            asked.append(number)
            running.append(number)
        known = groups[: len(groups) - len(to_come)]
        turns = panels_in_turns(known, room)
        others = [groups[n] for n in running if groups[n] not in turns]
        if not to_come:
            unanswered = set(asked) ^ set(range(len(groups))) | set(running)
            assert one.kept <= frozenset[str]().union(*(groups[n] for n in unanswered))
            assert one.kept >= frozenset[str]().union(*others)
        else:
            assert one.kept == frozenset[str]().union(*known)
        assert running or not one.left, "somebody is always asked"
        there = data.draw(st.sets(st.sampled_from(NAMES)))
        if running:
            one.done(running.pop(data.draw(st.integers(0, len(running) - 1))))
    assert sorted(asked) == list(range(len(groups)))
    one.complete()
    assert one.kept == frozenset()


@given(GROUPS, BUDGETS, st.integers(1, 8), st.integers(1, 8))
def test_no_more_than_the_windows_are_under_way(
    groups: list[Engines], budgets: list[float], window: int, panels: int
) -> None:
    one = made(groups, budgets, dict, window, panels)
    turns = panels_in_turns(groups, Room(ONE_GB, budgets))
    kinds = Counter(groups[number] in turns for number in asked_by(one))
    assert kinds[False] <= window
    assert kinds[True] == min(panels, sum(group in turns for group in groups))


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
    one = made(groups, [2.0, 1.0], lambda: slots, window=11)
    assert Counter(groups[number] for number in asked_by(one)) == {a: 6, c: 5}
    assert one.kept == {"a", "b", "c"}, "b stays, although nobody asks it yet"


@given(st.lists(st.sampled_from(["base", "law", "code"]), max_size=40), st.integers(1, 8))
def test_an_engine_answers_one_adapter_after_the_other(experts: list[str], window: int) -> None:
    engine = frozenset({"base"})
    one = Feeder(Room({"base": 1.0}, [1.0]), window, 5, lambda: {"base": "s"})
    one.add(Routed(n, frozenset({expert}), engine) for n, expert in enumerate(experts))
    one.complete()
    asked: list[int] = []
    while one.left:
        asked += asked_by(one)
        one.done(asked[len(experts) - one.left])
    order = list(dict.fromkeys(experts))
    assert asked == sorted(range(len(experts)), key=lambda n: (order.index(experts[n]), n))


def test_what_is_known_is_asked_before_the_rest_has_come() -> None:
    a, b = frozenset("a"), frozenset("b")
    one = Feeder(Room(ONE_GB, [1.0]), 4, 5, lambda: {"a": "s"})
    one.add(lines([(0, a), (1, b)]))
    assert one.next() == 0
    one.done(0)
    assert one.kept == {"a", "b"}, "more lines may come for each"
    one.add(lines([(2, a)]))
    one.complete()
    assert asked_by(one) == [1, 2], "the first of b makes its engine come"


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


def test_lines_whose_engine_had_to_leave_do_not_hold_up_others() -> None:
    a, b, c = frozenset("a"), frozenset("b"), frozenset("c")
    there = {"a"}
    one = made([a] * 9 + [b] * 9 + [c] * 9, [1.0], lambda: dict.fromkeys(there, "s"))
    assert asked_by(one) == [0, 1, 2, 3]
    there = {"b"}
    assert asked_by(one) == [9, 10, 11, 12], "those of a wait, and b is there"
    assert one.kept == {"a", "b"}
    there = {"c"}
    assert asked_by(one) == [], "there is a bound to it"
    assert one.kept == {"a", "b"}, "so c need not stay"
    there = {"b"}
    one.done(9)
    assert asked_by(one) == [13]


def test_panels_that_take_turns_come_first_and_all_at_once() -> None:
    panel, single = frozenset("ab"), frozenset("c")
    one = feeder([single] * 3 + [panel] * 3, [2.0])
    assert asked_by(one) == [3, 4, 5, 0]
    assert one.kept == single


def test_beside_panels_a_line_waits_for_its_engine_and_the_others_follow() -> None:
    panel, single = frozenset("ab"), frozenset("a")
    groups = [panel, single, single, single, frozenset("c")]
    there: set[str] = set()
    one = made(groups, [1.0], lambda: dict.fromkeys(there, "s"))
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
