"""How requests share a slot: times worked out by hand."""

import math

import pytest

from evals.benchmarks.simulation.service import Machine, Server
from orchestrator.residency.machine.state import Ticket


def _server() -> Server:
    """Alone a request takes 1 s; from the third on they share two a second."""
    return Server(solo_s=1.0, work_s=0.5)


def _begin(server: Server, number: int, now: float) -> None:
    server.begin(Ticket("law", now, math.inf, number), now)


def _done(server: Server, now: float) -> list[int]:
    return [ticket.holder for _, ticket in server.take_done(now)]


def test_alone_it_takes_its_own_time() -> None:
    server = _server()
    _begin(server, 0, 3.0)
    assert server.next_at() == 4.0
    assert _done(server, 3.9) == []
    assert _done(server, 4.0) == [0]
    assert server.next_at() == math.inf


def test_two_do_not_disturb_each_other() -> None:
    server = _server()
    _begin(server, 0, 0.0)
    _begin(server, 1, 0.5)
    assert server.next_at() == 1.0
    assert _done(server, 1.0) == [0]
    assert server.next_at() == 1.5


def test_many_share() -> None:
    server = _server()
    for number in range(4):
        _begin(server, number, 0.0)
    assert server.next_at() == 2.0
    assert _done(server, 2.0) == [0, 1, 2, 3]


def test_a_late_one_slows_down_the_others() -> None:
    server = _server()
    _begin(server, 0, 0.0)
    _begin(server, 1, 0.0)
    _begin(server, 2, 0.5)  # Half is left of the first two, now at 2/3 of their pace.
    assert server.next_at() == pytest.approx(1.25)
    assert _done(server, 1.25) == [0, 1]
    assert server.next_at() == pytest.approx(1.75)  # The last one has had half, and is alone.


def test_blocked_it_stands_still() -> None:
    server = _server()
    _begin(server, 0, 0.0)
    server.block(True, 0.25)
    assert server.next_at() == math.inf
    assert _done(server, 5.0) == []
    server.block(False, 5.0)
    assert server.next_at() == 5.75


def test_capacity() -> None:
    assert Machine(slots=4, work_s=0.01).capacity == 400.0
