"""The pool in simulated time: tiny traffic worked out by hand, and what always holds."""

import math
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from evals.benchmarks.sizing.events import Played, SizedSimulation
from evals.benchmarks.sizing.pool import Engine, Pool
from evals.benchmarks.sizing.speeds import Needs
from evals.benchmarks.sizing.traffic import Call
from experts.footprint.device import Device
from orchestrator.residency.machine.policy import Rules

CALL = Needs(alone_s=1.0, work_s=0.5)


def engine(name: str, *others: str, memory_gb: float = 1.0, in_flight: int = 8) -> Engine:
    names = (name, *others)
    return Engine(
        name,
        dict.fromkeys(names, in_flight),
        dict.fromkeys(names, math.inf),
        memory_gb,
        weights_gb=memory_gb,
        load_s=2.0,
        wake_s=0.5,
        leave_s=0.25,
        drop_s=1.0,
    )


def pool(*engines: Engine, slot_gb: float = 1.0, sleeps: bool = False) -> Pool:
    """GPUs where engines sleep, else slots on a CPU."""
    return Pool(
        engines,
        slot_gb,
        Device("cuda" if sleeps else "cpu"),
        Rules(),
        {"interactive": 10.0, "batch": math.inf},
        sleep_level=1 if sleeps else 0,
        host_gb=8.0 if sleeps else 0.0,
    )


def play(one: Pool, slots: int, calls: Sequence[Call], needs: Needs = CALL) -> Played:
    return SizedSimulation(one, slots, calls, [needs] * len(calls)).play()


def loads(played: Played) -> list[tuple[float, str, float, bool]]:
    return [(load.at_s, load.engine, load.seconds, load.warm) for load in played.loads]


def calls_of(*asked: tuple[float, str], kind: str = "interactive") -> list[Call]:
    return [Call(at_s, expert, kind) for at_s, expert in asked]


def test_two_experts_take_turns_in_one_slot() -> None:
    played = play(pool(engine("a"), engine("b")), 1, calls_of((0, "a"), (0.125, "b"), (5, "a")))
    # a is there from the start, done at 1, and leaves; b is ready at 3.25; a's files are warm.
    assert loads(played) == [(1.25, "b", 2.0, False), (5.25, "a", 0.5, True)]
    assert played.waits_s == [0.0, 3.125, 0.75]
    assert played.answers_s == [1.0, 4.125, 1.75]


def test_with_a_slot_for_each_nothing_is_loaded() -> None:
    played = play(pool(engine("a"), engine("b")), 2, calls_of((0, "a"), (0.125, "b"), (5, "a")))
    assert loads(played) == []
    assert played.waits_s == [0.0, 0.0, 0.0]


def test_on_a_gpu_an_engine_that_left_wakes() -> None:
    roomy = pool(engine("a"), engine("b"), slot_gb=1.0, sleeps=True)
    played = play(roomy, 1, calls_of((0, "a"), (0.125, "b"), (5, "a")))
    assert [(name, warm) for _, name, _, warm in loads(played)] == [("b", True), ("a", True)]
    assert played.waits_s == [0.0, 1.625, 0.75]


def test_without_host_memory_it_is_dropped_and_loaded_cold() -> None:
    poor = replace(pool(engine("a"), engine("b"), sleeps=True), host_gb=0.5)
    played = play(poor, 1, calls_of((0, "a"), (0.125, "b")))
    assert loads(played) == [(2.0, "b", 2.0, False)]  # To drop a takes a second.


def test_who_sleeps_is_dropped_where_its_memory_is_needed() -> None:
    tight = replace(pool(engine("a"), engine("b"), engine("c"), sleeps=True), asleep_gb=0.25)
    tight = replace(tight, slot_gb=1.25)
    played = play(tight, 1, calls_of((0, "a"), (0.5, "c"), (20, "b")))
    # a and, asleep, b are there. a sleeps as well when it leaves for c, so b must be dropped.
    assert [(name, warm) for _, name, _, warm in loads(played)] == [("c", False), ("b", False)]


def test_an_adapter_is_served_by_its_base() -> None:
    shared = engine("a", "a-lora")
    played = play(pool(shared), 1, calls_of((0, "a"), (0.25, "a-lora")))
    assert loads(played) == []
    assert played.answers_s == [1.0, 1.0]


def test_calls_that_find_the_queue_full_are_refused() -> None:
    small = replace(engine("a", in_flight=1), max_queued={"a": 1.0})
    played = play(pool(small), 1, calls_of((0, "a"), (0.1, "a"), (0.2, "a")))
    assert played.refused == 1
    assert math.isnan(played.answers_s[2])


NAMES = ("a", "b", "c", "d")
TRAFFIC = st.lists(
    st.tuples(
        st.floats(0.0, 30.0), st.sampled_from(NAMES), st.sampled_from(["interactive", "batch"])
    ),
    min_size=1,
    max_size=40,
)


@given(TRAFFIC, st.integers(1, 4), st.booleans())
def test_each_call_is_served_once_and_none_before_it_came(
    drawn: list[tuple[float, str, str]], slots: int, sleeps: bool
) -> None:
    calls = [Call(*one) for one in sorted(drawn)]
    one = pool(*map(engine, NAMES), slot_gb=2.0, sleeps=sleeps)
    played = play(one, slots, calls)

    assert len(played.answers_s) == len(calls)
    assert played.refused == 0
    for wait_s, answer_s in zip(played.waits_s, played.answers_s, strict=True):
        assert wait_s >= 0
        assert answer_s >= wait_s + CALL.alone_s - 1e-6
    if slots >= len(NAMES) / 2:
        assert not played.loads


@given(TRAFFIC, st.integers(1, 3))
def test_it_is_the_same_every_time(drawn: list[tuple[float, str, str]], slots: int) -> None:
    calls = [Call(*one) for one in sorted(drawn)]
    one = pool(*map(engine, NAMES))
    first, second = (play(one, slots, calls) for _ in range(2))
    assert first == second
