"""The driver: tiny traces whose loads and waits are worked out by hand, and what always holds."""

import math
from collections.abc import Iterable, Sequence

import pytest

from evals.benchmarks.simulation.baselines import collate, first_come
from evals.benchmarks.simulation.events import Contestant, Outcome, Simulation, StarvedError
from evals.benchmarks.simulation.service import Machine
from evals.benchmarks.simulation.traces import BATCH, INTERACTIVE, Trace, zipf_trace
from orchestrator.residency.machine.policy import LATE, PolicyDecision, Rules, decide
from orchestrator.residency.machine.state import EngineState, SlotState

MACHINE = Machine(
    slots=1, slot_gb=1.0, load_s=1.0, wake_s=0.5, leave_s=0.25, solo_s=1.0, work_s=0.5
)
OURS = Contestant("ours", decide)
FIRST_COME = Contestant("first come", first_come, one_line=True, heeds_bounds=False)
COLLATION = Contestant("collation", collate, max_in_flight=1, heeds_bounds=False)


def trace(*requests: tuple[float, str], kind: int = INTERACTIVE) -> Trace:
    names = tuple(sorted({name for _, name in requests}))
    return Trace(
        names,
        [at_s for at_s, _ in requests],
        [names.index(name) for _, name in requests],
        [kind] * len(requests),
    )


def run(
    requests: Trace, contestant: Contestant, machine: Machine = MACHINE, bound_s: float = 10.0
) -> Outcome:
    return Simulation(requests, machine, contestant, age_bounds_s=(bound_s, math.inf)).run()


def loads(outcome: Outcome) -> list[tuple[float, str, float]]:
    return [(load.at_s, load.engine, load.seconds) for load in outcome.loads]


@pytest.mark.parametrize("contestant", [OURS, FIRST_COME, COLLATION])
def test_two_experts_take_turns_in_one_slot(contestant: Contestant) -> None:
    outcome = run(trace((0.0, "a"), (0.125, "b"), (5.0, "a")), contestant)
    # a is ready at 1 and done at 2; it leaves, b is ready at 3.25 and done at 4.25; a wakes.
    assert loads(outcome) == [(0.0, "a", 1.0), (2.25, "b", 1.0), (5.25, "a", 0.5)]
    assert outcome.waits_s == [1.0, 3.125, 0.75]
    assert outcome.answers_s == [2.0, 4.125, 1.75]


def test_who_waits_for_the_same_load_is_served_together() -> None:
    outcome = run(trace((0.0, "a"), (0.25, "a"), (0.5, "a"), (0.75, "a")), OURS)
    assert len(outcome.loads) == 1
    assert outcome.waits_s == [1.0, 0.75, 0.5, 0.25]
    assert outcome.answers_s == [3.0, 2.75, 2.5, 2.25]  # Four at once: two seconds each.


def test_first_come_does_not_group() -> None:
    requests = trace((0.0, "a"), (0.125, "b"), (0.25, "a"), (0.375, "b"))
    assert [name for _, name, _ in loads(run(requests, FIRST_COME))] == ["a", "b", "a", "b"]
    assert [name for _, name, _ in loads(run(requests, COLLATION))] == ["a", "b"]
    assert [name for _, name, _ in loads(run(requests, OURS))] == ["a", "b"]


def test_nobody_overtakes_the_head_of_the_line() -> None:
    machine = Machine(slots=2, slot_gb=1.0, load_s=1.0, wake_s=1.0, leave_s=0.0, solo_s=2.0)
    requests = trace((0.0, "a"), (0.0, "b"), (1.5, "c"), (1.75, "d"), (2.0, "b"))
    # All are in use until 3: c and d drain a and b. The second b waits behind d, until both load.
    outcome = run(requests, FIRST_COME, machine)
    assert loads(outcome)[2:] == [(3.0, "c", 1.0), (3.0, "d", 1.0), (6.0, "b", 1.0)]
    assert outcome.waits_s == [1.0, 1.0, 2.5, 2.25, 5.0]


def test_collation_spares_who_is_in_use_and_limits_each_expert() -> None:
    outcome = run(trace((0.0, "a"), (0.125, "b"), (1.5, "a")), COLLATION)
    # The second a comes while the first is in use: it goes first, one at a time.
    assert loads(outcome) == [(0.0, "a", 1.0), (3.25, "b", 1.0)]
    assert outcome.waits_s == [1.0, 4.125, 0.5]


def test_a_load_blocks_the_slot_where_it_does() -> None:
    requests = trace((0.0, "a"), (1.5, "b"))
    roomy = Machine(**{**_fields(MACHINE), "slot_gb": 2.0})
    outcome = run(requests, FIRST_COME, roomy)
    assert outcome.answers_s == [3.0, 2.0]  # a stands still from 1.5 to 2.5.
    free = Machine(**{**_fields(roomy), "load_blocks": False})
    assert run(requests, FIRST_COME, free).answers_s == [2.0, 2.0]
    # Ours does not hold up one request for another one, and waits half a second.
    assert run(requests, OURS, roomy).answers_s == [2.0, 2.5]


def test_the_age_bound_ends_an_endless_stream() -> None:
    stream = [(0.5 * n, "a") for n in range(200)]
    requests = trace(*sorted([*stream, (20.25, "b")]))
    outcome = run(requests, OURS, bound_s=5.0)
    b = requests.at_s.index(20.25)
    # It begins one and a half times a load and drain before the bound, and no earlier.
    assert 5.0 - (1.0 + LATE) * (1.0 + 0.25 + 1.0) < outcome.waits_s[b] <= 5.0 + 1.0 + 1.0
    assert max(outcome.waits_s) <= 5.0 + 1.0 + 1.0


def test_interactive_requests_begin_before_a_batch() -> None:
    machine = Machine(**{**_fields(MACHINE), "max_in_flight": 1})
    requests = Trace(("a",), [0.0] * 3, [0] * 3, [BATCH, BATCH, INTERACTIVE])
    assert run(requests, OURS, machine).waits_s == [2.0, 3.0, 1.0]
    assert run(requests, FIRST_COME, machine).waits_s == [1.0, 2.0, 3.0]


def test_a_batch_beside_an_endless_queue_gets_its_stage() -> None:
    """The backlog is served first; then somebody has to ask although the queue never empties."""
    machine = Machine(**{**_fields(MACHINE), "max_in_flight": 2})
    stream = [(0.0, "a")] * 100 + [(0.55 * n, "a") for n in range(1, 400)]
    requests = trace(*sorted([*stream, (5.0, "b")]), kind=BATCH)
    outcome = Simulation(requests, machine, OURS, rules=Rules(stage_loads=2.0)).run()
    b = requests.expert.index(1)
    # 101 requests at two a second, beginning at 1 s; then at most a load, a drain and a load.
    assert 46.0 < outcome.waits_s[b] < 46.0 + 4.5 + 1.0 + 1.25
    assert len(outcome.loads) == 3


def test_all_at_once_every_expert_is_loaded_once() -> None:
    machine = Machine(slots=3, slot_gb=2.0, max_in_flight=10_000)
    requests = zipf_trace(experts=20, requests=2_000, rate=math.inf, batch_share=1.0, seed=1)
    outcome = Simulation(requests, machine, OURS).run()
    assert sorted(load.engine for load in outcome.loads) == sorted(requests.experts)


@pytest.mark.parametrize("contestant", [OURS, FIRST_COME, COLLATION])
def test_every_request_is_answered_once_and_a_seed_gives_one_result(
    contestant: Contestant,
) -> None:
    def once() -> Outcome:
        requests = zipf_trace(experts=12, requests=3_000, rate=100.0, batch_share=0.3, seed=7)
        machine = Machine(slots=2, slot_gb=3.0)
        return Simulation(requests, machine, contestant, age_bounds_s=(5.0, math.inf)).run()

    first, second = once(), once()
    assert len(first.waits_s) == len(first.answers_s) == 3_000
    assert all(0 <= w < a for w, a in zip(first.waits_s, first.answers_s, strict=True))
    assert first.waits_s == second.waits_s
    assert first.loads == second.loads


def test_a_policy_that_leaves_requests_waiting_is_found_out() -> None:
    def never(
        slots: Sequence[SlotState], waiting: Iterable[EngineState], now: float, rules: Rules
    ) -> PolicyDecision:
        return PolicyDecision(())

    with pytest.raises(StarvedError, match="law"):
        run(trace((0.0, "law")), Contestant("never", never))


def test_a_trace_without_requests_takes_no_time() -> None:
    assert run(Trace(("a",), [], [], []), OURS).waits_s == []


def _fields(machine: Machine) -> dict[str, object]:
    return {name: getattr(machine, name) for name in machine.__dataclass_fields__}
