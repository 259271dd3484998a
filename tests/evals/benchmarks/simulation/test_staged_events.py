"""Requests of several stages: whom they ask, when they end, and what announcing them brings."""

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.benchmarks.simulation.events import Outcome
from evals.benchmarks.simulation.service import Machine
from evals.benchmarks.simulation.setting import PANEL, SAMPLES, STAGED, TAGGED, Setting, calls_of
from evals.benchmarks.simulation.staged_events import StagedSimulation, Way
from evals.benchmarks.simulation.staged_traces import StagedTrace, Stages, staged_trace
from evals.benchmarks.simulation.traces import BATCH, INTERACTIVE, Trace
from examples import examples
from experts.errors import ConfigError
from orchestrator.residency.machine.policy import Rules

MACHINE = Machine(slots=1, slot_gb=2.0, load_s=1.0, wake_s=1.0, leave_s=0.0, solo_s=1.0, work_s=0.5)
OURS = Way("ours")
LATE = Way("without prefetch", prefetch=False)
SILENT = Way("nothing announced", announces=False, prefetch=False)
ALONE = Way("a load per request", announces=False, prefetch=False, alone=True)


def trace(*stages: Stages, experts: int, kind: int = BATCH, gap_s: float = 0.0) -> StagedTrace:
    count = len(stages)
    names = tuple(f"e{number}" for number in range(experts))
    at_s = [number * gap_s for number in range(count)]
    return StagedTrace(Trace(names, at_s, [0] * count, [kind] * count), stages)


def run(requests: StagedTrace, way: Way, machine: Machine = MACHINE) -> Outcome:
    return StagedSimulation(requests, machine, way, Setting(machine)).run()


def test_the_lead_comes_after_the_panel() -> None:
    outcome = run(trace(Stages((), (0,), 1), experts=2), LATE)
    # e0 is ready at 1 and done at 2; then e1 loads and answers.
    assert [(load.at_s, load.engine) for load in outcome.loads] == [(0.0, "e0"), (2.0, "e1")]
    assert outcome.answers_s == [4.0]


def test_the_lead_is_loaded_ahead_into_a_free_slot() -> None:
    outcome = run(trace(Stages((), (0,), 1), experts=2), OURS, replace(MACHINE, slots=2))
    assert [(load.at_s, load.engine) for load in outcome.loads] == [(0.0, "e0"), (0.0, "e1")]
    assert outcome.answers_s == [3.0]


def test_one_by_one_every_call_has_a_load() -> None:
    two = [Stages((3,) * SAMPLES, (0, 1), 0)] * 2
    outcome = run(trace(*two, experts=4), ALONE)
    assert Counter(load.engine for load in outcome.loads) == {"e0": 4, "e1": 2, "e3": 2}


@st.composite
def batches(draw: st.DrawFn) -> tuple[StagedTrace, Machine]:
    """Requests of a batch, all at once, to one slot or more."""
    experts = draw(st.integers(4, 9))
    one = st.integers(0, experts - 1)
    panels = st.lists(one, min_size=1, max_size=3, unique=True).map(tuple)
    choice = draw(st.sampled_from([(), (0,) * SAMPLES]))
    drawn = draw(st.lists(st.builds(Stages, st.just(choice), panels, one), min_size=1, max_size=40))
    machine = replace(
        MACHINE,
        slots=draw(st.integers(1, 3)),
        slot_gb=float(draw(st.integers(1, 3))),
        load_blocks=draw(st.booleans()),
        work_s=draw(st.sampled_from([0.01, 0.5])),
    )
    return trace(*drawn, experts=experts), machine


@examples(80)
@given(batches(), st.sampled_from([OURS, LATE, SILENT, ALONE]))
def test_everybody_is_answered_and_nothing_remains_announced(
    drawn: tuple[StagedTrace, Machine], way: Way
) -> None:
    requests, machine = drawn
    outcome = run(requests, way, machine)
    assert all(0 < seconds < math.inf for seconds in outcome.answers_s)


@examples(80)
@given(batches())
def test_a_batch_loads_an_expert_at_most_once_for_each_of_its_stages(
    drawn: tuple[StagedTrace, Machine],
) -> None:
    """With patience without end: else who has waited long enough goes first."""
    requests, machine = drawn
    setting = Setting(machine, Rules(stage_loads=math.inf))
    outcome = StagedSimulation(requests, replace(machine, slots=1), LATE, setting).run()
    asked = {
        *((one.lead, "lead") for one in requests.stages),
        *((expert, "panel") for one in requests.stages for expert in one.panel),
        *((expert, "tagger") for one in requests.stages for expert in one.choice),
    }
    most = Counter(f"e{expert}" for expert, _ in asked)
    assert not Counter(load.engine for load in outcome.loads) - most


@examples(30)
@given(st.integers(0, 9), st.sampled_from(STAGED), st.sampled_from([0.25, 1.0]))
def test_with_loads_ahead_nobody_waits_for_longer_than_the_bound_a_load_and_a_drain(
    seed: int, name: str, load_s: float
) -> None:
    """Calls of interactive requests, from slots that are quiet enough to load ahead."""
    machine = replace(MACHINE, slots=2, load_s=load_s, wake_s=load_s, work_s=0.05, solo_s=0.2)
    drawn = staged_trace(name, experts=8, requests=60, rate=0.4, seed=seed)
    setting = Setting(machine, age_bounds_s=(10.0, math.inf))
    outcome = StagedSimulation(drawn, machine, OURS, setting).run()
    stages = 2 + (name == TAGGED)
    limit_s = stages * (10.0 + load_s + 2 * 0.2)
    assert max(outcome.answers_s) <= limit_s


def test_traces_are_drawn_by_seed() -> None:
    def draw(seed: int) -> StagedTrace:
        return staged_trace(TAGGED, experts=9, requests=50, rate=1.0, seed=seed)

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    for stages in draw(1).stages:
        assert stages.choice == (8,) * SAMPLES
        assert len({*stages.panel, stages.lead}) == 4
    assert calls_of(TAGGED) == SAMPLES + 4
    assert calls_of(PANEL) == 4
    assert len(draw(1).start(7).stages) == len(draw(1).start(7).trace) == 7


def test_interactive_requests_have_their_class() -> None:
    drawn = staged_trace(PANEL, experts=9, requests=200, rate=1.0, batch_share=0.5)
    assert set(drawn.trace.kind) == {BATCH, INTERACTIVE}
    assert all(stages.choice == () for stages in drawn.stages)


def test_too_few_experts_are_an_error() -> None:
    with pytest.raises(ConfigError, match="at least 4 experts"):
        staged_trace(PANEL, experts=3, requests=5, rate=1.0)
