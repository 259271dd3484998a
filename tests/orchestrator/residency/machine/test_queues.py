"""Which of an engine's waiting requests is next, and where it goes."""

import math

import pytest

from orchestrator.residency.machine.queues import EngineQueue
from orchestrator.residency.machine.state import (
    EngineState,
    Phase,
    Replica,
    SlotState,
    Ticket,
    add_replica,
)


def _queue(**limits: int) -> EngineQueue:
    limits = limits or {"a": 1}
    return EngineQueue(EngineState("a", 1.0, max_in_flight=sum(limits.values())), limits)


def _ready(queue: EngineQueue, slot: str = "slot-0") -> Replica:
    replica = add_replica(queue.state, SlotState(slot, 4.0))
    replica.phase = Phase.READY
    return replica


def _ticket(arrived: float, bound: float = math.inf, expert: str = "a") -> Ticket:
    return Ticket(expert, arrived, arrived + bound)


def test_the_nearest_age_bound_is_served_first_then_the_oldest() -> None:
    queue = _queue()
    _ready(queue)
    for arrived, bound in ((0.0, math.inf), (1.0, math.inf), (2.0, 9.0), (3.0, 5.0), (4.0, 9.0)):
        queue.enqueue(_ticket(arrived, bound))
    order = []
    while queue.state.waiting:
        for ticket in queue.admit(10.0):
            order.append(ticket.arrived)
            queue.end(ticket, 11.0)
    assert order == [3.0, 2.0, 4.0, 0.0, 1.0]


def test_the_state_knows_how_many_wait_and_for_how_long() -> None:
    queue, (first, second) = _queue(), (_ticket(1.0), _ticket(2.0, 5.0))
    queue.enqueue(first)
    queue.enqueue(second)
    assert (queue.state.waiting, queue.state.oldest, queue.state.deadline) == (2, 1.0, 7.0)
    assert queue.leave(first)
    assert (queue.state.waiting, queue.state.oldest, queue.state.deadline) == (1, 2.0, 7.0)
    assert queue.leave(second)
    assert not queue.leave(second)
    assert queue.state.waiting == queue.queued["a"] == 0
    assert queue.state.oldest == queue.state.deadline == math.inf


def test_a_full_expert_does_not_keep_another_one_of_its_engine_waiting() -> None:
    queue = _queue(a=1, tuned=1)
    replica = _ready(queue)
    queue.begin(_ticket(0.0), replica, 0.0)
    full, free = _ticket(1.0, 5.0), _ticket(2.0, expert="tuned")
    queue.enqueue(full)
    queue.enqueue(free)
    assert queue.admit(3.0) == [free]
    assert free.replica is replica
    assert queue.running == {"a": 1, "tuned": 1}
    assert queue.queued == {"a": 1, "tuned": 0}


def test_all_that_wait_can_be_sent_away() -> None:
    queue, tickets = _queue(), [_ticket(1.0), _ticket(2.0, 3.0)]
    for ticket in tickets:
        queue.enqueue(ticket)
    assert queue.clear() == tickets
    assert queue.state.waiting == queue.queued["a"] == 0
    assert queue.state.oldest == math.inf


def test_a_request_goes_to_the_replica_with_the_fewest() -> None:
    queue = _queue(a=2)
    fuller, emptier = _ready(queue, "slot-0"), _ready(queue, "slot-1")
    queue.begin(_ticket(0.0), fuller, 0.0)
    assert queue.admitting(_ticket(0.0)) is emptier
    emptier.phase = Phase.DRAINING
    assert queue.admitting(_ticket(0.0)) is fuller


def test_in_a_crowded_slot_only_those_with_an_age_bound_begin() -> None:
    queue = _queue(a=3)
    ready = _ready(queue)
    ready.slot.crowded = True
    patient, hurried = _ticket(0.0), _ticket(1.0, 5.0)
    queue.enqueue(patient)
    queue.enqueue(hurried)
    assert queue.admit(2.0) == [hurried]
    ready.slot.crowded = False
    assert queue.admit(3.0) == [patient]


def test_replicas_that_load_serve_no_request_yet() -> None:
    queue = _queue(a=2, tuned=2)
    ready = _ready(queue)
    add_replica(queue.state, SlotState("slot-1", 4.0))
    assert queue.limit("a") == 2
    for _ in range(2):
        queue.begin(_ticket(0.0), ready, 0.0)
    assert queue.admitting(_ticket(0.0)) is None
    assert queue.admitting(_ticket(0.0, expert="tuned")) is ready


@pytest.mark.parametrize("expert", ["a", "tuned"])
def test_a_queue_has_room_for_so_many_beside_those_that_run(expert: str) -> None:
    limits = {"a": 1, "tuned": 1}
    queue = EngineQueue(EngineState("a", 1.0, max_in_flight=2), limits, {"a": 1, "tuned": 0})
    for number in range(limits[expert] + (expert == "a")):
        assert not queue.full(expert)
        queue.enqueue(_ticket(float(number), expert=expert))
    assert queue.full(expert)


def test_a_request_that_ends_leaves_no_trace() -> None:
    queue, ticket = _queue(), _ticket(0.0)
    replica = _ready(queue)
    queue.begin(ticket, replica, 1.0)
    assert (replica.in_use, replica.running, queue.running["a"]) == (1, {ticket}, 1)
    queue.end(ticket, 2.0)
    assert (replica.in_use, replica.running, queue.running["a"]) == (0, set(), 0)
    assert (replica.last_used, ticket.replica) == (2.0, None)
