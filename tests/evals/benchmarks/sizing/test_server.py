"""How calls that differ share a slot: times worked out by hand, and what always holds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.benchmarks.sizing.server import CallServer
from evals.benchmarks.sizing.speeds import Needs
from orchestrator.residency.machine.state import EngineState, Replica, SlotState, Ticket

LONG, SHORT = Needs(alone_s=4.0, work_s=1.0), Needs(alone_s=1.0, work_s=0.5)


def _begin(server: CallServer, number: int, now: float, engine: str = "law") -> None:
    replica = Replica(EngineState(engine, 1.0), SlotState("slot-0", 8.0))
    server.begin(Ticket(engine, now, math.inf, number, replica), now)


def _done(server: CallServer, now: float) -> list[int]:
    return [ticket.holder for _, ticket in server.take_done(now)]


def test_alone_a_call_takes_its_own_time() -> None:
    server = CallServer([LONG])
    _begin(server, 0, 3.0)
    assert server.next_at() == 7.0
    assert _done(server, 6.9) == []
    assert _done(server, 7.0) == [0]
    assert server.next_at() == math.inf


def test_a_short_one_that_comes_later_is_done_before() -> None:
    server = CallServer([LONG, SHORT])
    _begin(server, 0, 0.0)
    _begin(server, 1, 1.0)
    assert server.next_at() == 2.0  # Both fit into one step.
    assert _done(server, 2.0) == [1]
    assert server.next_at() == 4.0


def test_where_a_step_is_full_all_of_the_engine_are_slowed_down() -> None:
    server = CallServer([LONG, SHORT, SHORT, SHORT])
    for number in range(4):
        _begin(server, number, 0.0)
    assert server.next_at() == 1.75  # A quarter and three halves of the engine's time.
    assert _done(server, 1.75) == [1, 2, 3]
    assert server.next_at() == 4.75  # A quarter of the long one is done.


def test_engines_take_turns() -> None:
    server = CallServer([LONG, SHORT])
    _begin(server, 0, 0.0)
    _begin(server, 1, 1.0, "art")
    assert server.next_at() == 3.0  # Each has half of the slot's time.
    assert _done(server, 3.0) == [1]
    assert server.next_at() == 5.0


def test_while_a_slot_loads_it_stands_still() -> None:
    server = CallServer([SHORT])
    _begin(server, 0, 0.0)
    server.block(True, 0.5)
    assert server.next_at() == math.inf
    server.block(False, 10.5)
    assert server.next_at() == 11.0


@given(
    st.lists(
        st.tuples(st.floats(0.01, 5.0), st.floats(0.01, 1.0), st.floats(0.0, 2.0)),
        min_size=1,
        max_size=12,
    )
)
def test_nobody_is_done_sooner_than_alone_and_no_slot_does_more_than_it_can(
    drawn: list[tuple[float, float, float]],
) -> None:
    needs = [Needs(alone_s, alone_s * share) for alone_s, share, _ in drawn]
    server, now, ends = CallServer(needs), 0.0, {}
    begins = []
    for number, (_, _, gap_s) in enumerate(drawn):
        while server.next_at() <= now + gap_s:
            at_s = server.next_at()
            ends |= dict.fromkeys(_done(server, at_s), at_s)
        now += gap_s
        begins.append(now)
        _begin(server, number, now)
    while server.in_use:
        at_s = server.next_at()
        ends |= dict.fromkeys(_done(server, at_s), at_s)

    assert len(ends) == len(needs)
    for number, one in enumerate(needs):
        assert ends[number] >= begins[number] + one.alone_s - 1e-6
    assert max(ends.values()) - begins[0] >= sum(one.work_s for one in needs) - 1e-6


def test_many_end_when_the_slot_has_had_time_for_all() -> None:
    needs = [Needs(0.5, 0.25)] * 40
    server = CallServer(needs)
    for number in range(40):
        _begin(server, number, 0.0)
    assert server.next_at() == pytest.approx(40 * 0.25)
