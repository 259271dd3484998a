"""How many are enough, and what limits: small pools whose answer is known."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.benchmarks.sizing.pool import Engine, Pool
from evals.benchmarks.sizing.search import (
    BURST,
    COMPUTE,
    MEMORY,
    SHARED,
    Answer,
    Study,
    Wish,
    search,
    waits_of,
)
from evals.benchmarks.sizing.speeds import Needs
from evals.benchmarks.sizing.traffic import Call, Traffic
from experts.footprint.device import Device
from orchestrator.residency.machine.policy import Rules

QUICK = Needs(alone_s=0.25, work_s=0.01)


def pool(names: Sequence[str], slot_gb: float, in_flight: int = 64) -> Pool:
    engines = tuple(
        Engine(n, {n: in_flight}, {n: math.inf}, 1.0, 1.0, 2.0, 0.5, 0.1, 0.1) for n in names
    )
    bounds = {"interactive": 10.0, "batch": math.inf}
    return Pool(engines, slot_gb, Device("cpu"), Rules(), bounds)


def in_turn(names: Sequence[str], count: int, gap_s: float) -> Traffic:
    calls = [Call(n * gap_s, names[n % len(names)], "interactive") for n in range(count)]
    return Traffic("made", count, tuple(calls))


def find(
    one: Pool, traffic: Traffic, needs: Needs, wish: Wish, most: int = 8
) -> tuple[Answer, list[str]]:
    said: list[str] = []
    study = Study(one, traffic, [needs] * len(traffic.calls), wish)
    return search(study, most, said.append), said


def within(seconds: float, slowdown: float = 2.0) -> Wish:
    return Wish({"interactive": seconds}, slowdown)


def test_memory_limits_where_more_experts_are_asked_than_fit() -> None:
    names = ("a", "b", "c", "d")
    answer, said = find(pool(names, 2.0), in_turn(names, 400, 0.25), QUICK, within(0.1))
    assert (answer.enough, answer.limit) == (2, MEMORY)
    one, two, three = answer.rows
    assert not one.enough
    assert one.loads > 0
    assert two.loads == three.loads == 0
    assert two.waits["interactive"].p99 == 0.0
    assert said == ["1 slot", "2 slots", "3 slots", "what limits"]


def test_compute_limits_where_more_is_asked_than_one_can_answer() -> None:
    names = ("a", "b", "c")
    busy = Needs(alone_s=0.5, work_s=0.5)
    answer, _ = find(pool(names, 9.0), in_turn(names, 300, 0.2), busy, within(1.0))
    assert answer.limit == COMPUTE
    first = answer.rows[0]
    assert first.computing == pytest.approx(0.5 * 300 / (2 * 299 * 0.2))
    assert first.waits == {}  # It would pile up for ever: nothing is simulated.
    assert answer.enough == 3


def test_both_limit_where_one_of_them_would_not_be_enough() -> None:
    names = ("a", "b", "c", "d")
    busy = Needs(alone_s=0.21, work_s=0.19)
    answer, _ = find(pool(names, 1.0), in_turn(names, 200, 0.2), busy, within(0.01, 1.1), most=1)
    assert (answer.enough, answer.limit) == (None, f"memory and {SHARED}")
    assert len(answer.rows) == 1


def test_a_burst_limits_where_calls_wait_for_each_other_and_the_slot_is_idle() -> None:
    calls = tuple(
        Call(600.0 * burst + 0.001 * n, "a", "interactive") for burst in range(3) for n in range(40)
    )
    one, traffic = pool(("a",), 9.0, in_flight=1), Traffic("made", len(calls), calls)
    answer, _ = find(one, traffic, Needs(0.5, 0.5), within(1.0), most=1)
    assert (answer.enough, answer.limit) == (None, BURST)
    assert answer.rows[0].computing < 0.1


def test_compute_is_shared_where_all_begin_in_time_and_take_too_long() -> None:
    calls = tuple(Call(60.0 * n, "a", "interactive") for n in range(10) for _ in range(4))
    traffic = Traffic("made", len(calls), calls)
    answer, _ = find(pool(("a",), 9.0), traffic, Needs(0.5, 0.5), within(1.0, 1.5), most=1)
    assert (answer.enough, answer.limit) == (None, SHARED)


def test_one_busy_engine_is_named_since_more_slots_do_not_help_it() -> None:
    calls = in_turn(("a",), 300, 0.2)
    answer, _ = find(pool(("a", "b"), 9.0), calls, Needs(0.5, 0.5), within(1.0), most=4)
    assert answer.enough is None
    [(name, share)] = answer.hot
    assert name == "a"
    assert share == pytest.approx(2.5, abs=0.02)


def test_pins_that_do_not_fit_together_need_more_slots() -> None:
    three = pool(("a", "b", "c"), 2.0)
    pinned = replace(three, engines=tuple(replace(e, pinned=True) for e in three.engines))
    answer, _ = find(pinned, in_turn(("a",), 10, 1.0), QUICK, within(0.1))
    assert (answer.enough, answer.limit) == (2, MEMORY)


def test_large_numbers_are_halved_and_not_tried_one_by_one() -> None:
    names = [f"e{number:02d}" for number in range(30)]
    answer, said = find(pool(names, 1.0), in_turn(names, 600, 0.1), QUICK, within(0.01), most=64)
    assert answer.enough == 30
    assert len(said) < 25
    assert [row.enough for row in answer.rows if row.slots in (29, 30, 31)] == [False, True, True]


def test_all_at_once_has_no_rate_to_keep_up_with() -> None:
    calls = tuple(Call(0.0, "a", "batch") for _ in range(20))
    answer, _ = find(pool(("a",), 1.0), Traffic("made", 20, calls), QUICK, Wish({"batch": 5.0}))
    assert answer.enough == 1
    assert answer.rows[0].computing == 0.0


def test_figures_of_waits() -> None:
    waits = waits_of([0.0, 1.0, 2.0, 3.0, 4.0])
    assert (waits.p50, waits.p95) == (2.0, pytest.approx(3.8))


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.floats(0.0, 120.0), st.sampled_from("abcdef")), min_size=20, max_size=80),
    st.integers(1, 3),
)
def test_more_slots_are_never_much_worse(drawn: list[tuple[float, str]], slots: int) -> None:
    """A policy that gathers may let one call wait a little longer: a load and a drain."""
    calls = tuple(Call(at_s, name, "interactive") for at_s, name in sorted(drawn))
    study = Study(
        pool("abcdef", 2.0), Traffic("drawn", len(calls), calls), [QUICK] * len(calls), within(1.0)
    )
    few, more = study.row(slots), study.row(slots + 1)
    if few.waits and more.waits:
        assert more.waits["interactive"].p95 <= few.waits["interactive"].p95 + 2.0 + 0.25 + 0.1
