"""The order of calls: no expert is left while calls wait for it, and every call is taken once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evals.runs.asking.line import Line

HOSTED = {"a": "a", "b": "b", "adapter": "a"}
NAMES = ("a", "b", "adapter", "c")
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(NAMES)),
        st.tuples(st.just("take"), st.just("")),
        st.tuples(st.just("done"), st.just("")),
        st.tuples(st.just("drop"), st.integers(0, 30)),
    ),
    max_size=120,
)


@given(ACTIONS, st.integers(1, 3), st.integers(1, 5))
def test_invariants(actions: list[tuple[str, object]], slots: int, in_flight: int) -> None:
    line = Line(HOSTED, slots, in_flight)
    waiting: dict[int, str] = {}
    flying: dict[int, str] = {}
    taken: list[int] = []
    number = 0
    for what, argument in actions:
        before = line.turns
        if what == "put":
            line.put(str(argument), number)
            waiting[number] = str(argument)
            number += 1
        elif what == "drop":
            assert isinstance(argument, int)
            expert = waiting.get(argument) or flying.get(argument) or "a"
            assert line.drop(expert, argument) == (argument in waiting)
            waiting.pop(argument, None)
        elif what == "done" and flying:
            line.done(flying.pop(min(flying)))
        elif what == "take":
            wanted = {HOSTED.get(expert, expert) for expert in waiting.values()}
            call = line.take()
            if call is None:
                assert not waiting or len(flying) == in_flight
                continue
            assert isinstance(call, int)
            assert len(flying) < in_flight
            taken.append(call)
            flying[call] = waiting.pop(call)
            # Nobody for whom a call still waits is left, and a slot works for one at a time.
            assert set(before) & wanted <= set(line.turns)
            assert len(line.turns) <= slots
            engine = HOSTED.get(flying[call])
            assert engine is None or engine in line.turns
        assert line.open == len(waiting) + len(flying)
    assert len(taken) == len(set(taken))
    for expert in NAMES:
        engine = HOSTED.get(expert, expert)
        assert line.waiting(expert) == sum(
            HOSTED.get(one, one) == engine for one in waiting.values()
        )


@given(st.lists(st.sampled_from(NAMES), max_size=60), st.integers(1, 2))
def test_everything_that_waits_is_taken_expert_by_expert(names: list[str], slots: int) -> None:
    line = Line(HOSTED, slots, len(names) + 1)
    for number, name in enumerate(names):
        line.put(name, number)
    order = []
    while (call := line.take()) is not None:
        assert isinstance(call, int)
        order.append(call)
        line.done(names[call])
    assert sorted(order) == list(range(len(names)))
    hosted = [HOSTED[names[n]] for n in order if names[n] in HOSTED]
    if slots == 1 and hosted:
        # One engine after the other, each once, the most wanted first.
        changes = [e for n, e in enumerate(hosted) if n == 0 or hosted[n - 1] != e]
        assert len(changes) == len(set(hosted))
        assert hosted.count(changes[0]) == max(hosted.count(e) for e in changes)


def test_an_engine_serves_its_adapters_calls_too() -> None:
    line = Line(HOSTED, 1, 10)
    for number, name in enumerate(["b", "b", "a", "adapter", "adapter"]):
        line.put(name, number)
    assert [line.take() for _ in range(5)] == [2, 3, 4, 0, 1]


def test_two_slots_work_side_by_side() -> None:
    line = Line({"a": "a", "b": "b", "d": "d"}, 2, 4)
    for number, name in enumerate(["a"] * 4 + ["b"] * 3 + ["d"] * 2):
        line.put(name, number)
    first = [line.take() for _ in range(4)]
    assert sorted(first, key=str) == [0, 1, 4, 5]
    assert line.take() is None
    assert set(line.turns) == {"a", "b"}
