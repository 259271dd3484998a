"""What the pool's own policy promises, over random small pools and traces driven to their end."""

import math
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from evals.benchmarks.simulation.events import Contestant, Outcome, Simulation
from evals.benchmarks.simulation.service import Machine
from evals.benchmarks.simulation.traces import BATCH, INTERACTIVE, Trace
from examples import examples
from orchestrator.residency.machine.policy import Rules, decide
from orchestrator.residency.machine.state import Phase

OURS = Contestant("ours", decide)


@dataclass(frozen=True)
class Case:
    """A pool, and what is asked of it."""

    machine: Machine
    trace: Trace
    bound_s: float
    rules: Rules


@st.composite
def cases(draw: st.DrawFn) -> Case:
    quarters = draw(st.lists(st.integers(1, 8), min_size=1, max_size=6))
    sizes = tuple(number / 4 for number in quarters)
    machine = Machine(
        slots=draw(st.integers(1, 3)),
        slot_gb=max(sizes) + draw(st.integers(0, 8)) / 4,
        engines_gb=sizes,
        load_s=draw(st.sampled_from([0.0, 0.5, 3.0])),
        wake_s=draw(st.sampled_from([0.0, 0.25, 3.0])),
        leave_s=draw(st.sampled_from([0.0, 0.5])),
        solo_s=draw(st.sampled_from([0.125, 1.0])),
        work_s=draw(st.sampled_from([0.03125, 0.5])),
        max_in_flight=draw(st.integers(1, 4)),
        load_blocks=draw(st.booleans()),
    )
    one = st.tuples(
        st.integers(0, 160), st.integers(0, len(sizes) - 1), st.sampled_from([INTERACTIVE, BATCH])
    )
    rows = sorted(draw(st.lists(one, min_size=1, max_size=60)))
    trace = Trace(
        tuple(f"e{number}" for number in range(len(sizes))),
        [at / 8 for at, _, _ in rows],
        [expert for _, expert, _ in rows],
        [kind for _, _, kind in rows],
    )
    rules = Rules(stage_loads=draw(st.sampled_from([0.0, 2.0, 20.0])))
    return Case(machine, trace, draw(st.sampled_from([0.0, 1.0, 10.0])), rules)


def _run(case: Case, watched: bool = False) -> Outcome:
    return Simulation(
        case.trace,
        case.machine,
        OURS,
        age_bounds_s=(case.bound_s, math.inf),
        rules=case.rules,
        watch=_check if watched else None,
    ).run()


def _check(simulation: Simulation, now: float) -> None:
    for slot in simulation.slots:
        there = [replica for replica in slot.replicas if replica.phase is not Phase.LOADING]
        held_gb = sum(replica.engine.memory_gb for replica in there)
        assert held_gb == slot.used_gb
        assert slot.used_gb + slot.reserved_gb <= slot.budget_gb
        assert len({replica.engine.name for replica in slot.replicas}) == len(slot.replicas)
        assert slot.in_transition or all(replica.phase is Phase.READY for replica in slot.replicas)
    for engine in simulation.engines:
        assert all(0 <= replica.in_use <= engine.max_in_flight for replica in engine.replicas)
        assert (engine.waiting == 0) == (engine.oldest == math.inf)
        assert engine.oldest <= now or not engine.waiting
        assert not (
            engine.waiting
            and any(replica.admits and not replica.slot.crowded for replica in engine.replicas)
        )


@examples(250)
@given(cases())
def test_memory_is_never_exceeded_and_everybody_is_answered(case: Case) -> None:
    outcome = _run(case, watched=True)
    assert all(0 <= wait < math.inf for wait in outcome.waits_s)
    assert all(w < a for w, a in zip(outcome.waits_s, outcome.answers_s, strict=True))


@examples(40)
@given(cases())
def test_the_same_trace_has_the_same_outcome(case: Case) -> None:
    first, second = _run(case), _run(case)
    assert first.waits_s == second.waits_s
    assert first.loads == second.loads


@examples(100)
@given(cases())
def test_an_engine_is_loaded_for_somebody(case: Case) -> None:
    outcome = _run(case)
    asked = {case.trace.experts[number] for number in case.trace.expert}
    assert {load.engine for load in outcome.loads} == asked
    assert len(outcome.loads) <= len(case.trace)


@st.composite
def hostile_streams(draw: st.DrawFn) -> Case:
    """One slot for one engine, a stream to one of them, and now and then somebody else."""
    load_s = draw(st.sampled_from([0.25, 0.5, 1.0]))
    machine = Machine(
        slots=1,
        slot_gb=1.0,
        load_s=load_s,
        wake_s=draw(st.sampled_from([load_s / 2, load_s])),
        leave_s=0.0625,
        solo_s=0.5,
        work_s=0.0625,
        max_in_flight=16,
    )
    rate = draw(st.sampled_from([0.5, 2.0, 6.0]))  # It could serve 16 a second.
    stream = [(n / rate, 0) for n in range(int(90 * rate))]
    others = draw(
        st.lists(st.tuples(st.floats(5.0, 70.0), st.integers(1, 3)), min_size=1, max_size=6)
    )
    rows = sorted([*stream, *others])
    kind = draw(st.sampled_from([INTERACTIVE, BATCH]))
    trace = Trace(
        ("stream", "b", "c", "d"),
        [at_s for at_s, _ in rows],
        [expert for _, expert in rows],
        [kind if expert == 0 else INTERACTIVE for _, expert in rows],
    )
    return Case(machine, trace, 10.0, Rules())


@examples(150)
@given(hostile_streams())
def test_nobody_waits_for_longer_than_the_bound_a_load_and_a_drain(case: Case) -> None:
    machine = case.machine
    drain_s = max(machine.solo_s, machine.max_in_flight * machine.work_s)
    limit_s = case.bound_s + machine.load_s + machine.leave_s + drain_s
    outcome = _run(case)
    interactive = [
        wait
        for wait, kind in zip(outcome.waits_s, case.trace.kind, strict=True)
        if kind == INTERACTIVE
    ]
    assert max(interactive) <= limit_s


@examples(60)
@given(st.integers(1, 4), st.integers(1, 3), st.lists(st.integers(0, 7), min_size=1, max_size=200))
def test_a_batch_loads_every_expert_once(slots: int, fits: int, asked: list[int]) -> None:
    trace = Trace(
        tuple(f"e{number}" for number in range(8)), [0.0] * len(asked), asked, [BATCH] * len(asked)
    )
    outcome = Simulation(trace, Machine(slots=slots, slot_gb=float(fits)), OURS).run()
    assert len(outcome.loads) == len(set(asked))
