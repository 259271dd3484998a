"""What holds for the policy whatever the state."""

import copy as copying
import math
import random
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from policy_states import NOW, RULES, asked, engine, resident, said

from orchestrator.residency.machine.policy import AHEAD, Transition, decide
from orchestrator.residency.machine.state import EngineState, Phase, SlotState

QUARTERS = st.integers(1, 16).map(lambda number: number / 4)


@st.composite
def states(draw: st.DrawFn) -> tuple[list[SlotState], list[EngineState]]:
    engines = []
    for number in range(draw(st.integers(0, 6))):
        state = engine(f"e{number}", waiting=draw(st.integers(0, 20)), gb=draw(QUARTERS))
        asked(state, draw(st.sampled_from([0.0, 0.1, 5.0])))
        if state.waiting:
            state.oldest = NOW - draw(st.sampled_from([0.0, 5.0, 300.0]))
            state.deadline = state.oldest + draw(st.sampled_from([1.0, 6.0, math.inf]))
        state.pinned = draw(st.integers(0, 9)) == 0
        state.max_idle_s = draw(st.sampled_from([10.0, math.inf]))
        state.retry_at = draw(st.sampled_from([-math.inf, NOW + 1.0]))
        state.max_in_flight = 4
        state.expected = draw(st.sampled_from([0, 0, 1, 30]))
        state.unhurried = draw(st.integers(0, state.expected))
        state.ahead = draw(st.booleans())
        engines.append(state)
    slots = []
    for number in range(draw(st.integers(0, 3))):
        slot = SlotState(f"s{number}", draw(QUARTERS) + 1.0, load_blocks=draw(st.booleans()))
        slot.up = draw(st.integers(0, 5)) > 0
        slot.in_transition = draw(st.integers(0, 3)) == 0
        for state in engines:
            if draw(st.booleans()) and slot.used_gb + state.memory_gb <= slot.budget_gb + 1.0:
                in_use = draw(st.integers(0, 4))
                since = NOW - draw(st.sampled_from([1.0, 100.0]))
                replica = resident(slot, state, in_use=in_use, since=since)
                if slot.in_transition:
                    replica.phase = draw(st.sampled_from(list(Phase)))
            elif draw(st.booleans()):
                slot.asleep[state.name] = 0.0
        slots.append(slot)
    return slots, engines


def _check_transition(transition: Transition) -> None:
    slot = transition.slot
    assert slot.up
    assert not slot.in_transition
    assert transition.leaving or transition.engine
    assert transition.reason
    for replica in transition.leaving:
        assert replica in slot.replicas
        assert replica.phase is Phase.READY
        assert not replica.engine.pinned
    if transition.engine:
        assert transition.engine.waiting or transition.reason == AHEAD
        assert transition.engine.retry_at <= NOW
        assert all(replica.slot is not slot for replica in transition.engine.replicas)
        freed_gb = sum(replica.engine.memory_gb for replica in transition.leaving)
        assert slot.free_gb + freed_gb >= transition.engine.memory_gb
        for replica in transition.leaving:  # Nobody leaves in vain.
            others_gb = freed_gb - replica.engine.memory_gb
            assert slot.free_gb + others_gb < transition.engine.memory_gb


@settings(max_examples=400, deadline=None)
@given(states())
def test_moves_are_possible_and_the_state_stay_as_they_are(
    drawn: tuple[list[SlotState], list[EngineState]],
) -> None:
    slots, engines = drawn
    before = copying.deepcopy([_plain(slots), _plain(engines)])
    decision = decide(slots, engines, NOW, RULES)
    assert [_plain(slots), _plain(engines)] == before
    assert len({transition.slot.id for transition in decision.transitions}) == len(
        decision.transitions
    )
    coming = [transition.engine.name for transition in decision.transitions if transition.engine]
    assert len(set(coming)) == len(coming)
    assert decision.recheck_at > NOW
    for transition in decision.transitions:
        _check_transition(transition)


@settings(max_examples=400, deadline=None)
@given(states())
def test_loads_ahead_change_nothing_for_those_that_wait(
    drawn: tuple[list[SlotState], list[EngineState]],
) -> None:
    slots, engines = drawn
    without = decide(slots, engines, NOW, replace(RULES, prefetch=False))
    found = decide(slots, engines, NOW, RULES)
    ahead = [move for move in found.transitions if move.reason == AHEAD]
    assert [move for move in found.transitions if move not in ahead] == list(without.transitions)
    assert found.recheck_at <= without.recheck_at
    served = {move.engine for move in without.transitions}
    for move in ahead:
        assert all(replica.idle and not replica.engine.expected for replica in move.leaving)
        for state in engines:
            left_out = state.waiting and not state.loading and state not in served
            assert not left_out or not move.slot.could_hold(state)


@settings(max_examples=200, deadline=None)
@given(states(), st.data())
def test_without_loads_ahead_what_bounded_requests_announce_changes_nothing(
    drawn: tuple[list[SlotState], list[EngineState]], data: st.DataObject
) -> None:
    slots, engines = drawn
    for state in engines:
        state.unhurried = 0
        if state.deadline < math.inf:
            state.stages = {data.draw(st.integers(0, 3)): state.waiting}
    late = replace(RULES, prefetch=False)
    announced = decide(slots, engines, NOW, late)
    for state in engines:
        state.expected, state.stages = 0, {}
    assert decide(slots, engines, NOW, late) == announced


@settings(max_examples=200, deadline=None)
@given(states(), st.randoms(use_true_random=False))
def test_the_order_of_the_state_changes_nothing(
    drawn: tuple[list[SlotState], list[EngineState]], shuffler: random.Random
) -> None:
    slots, engines = drawn
    first = decide(slots, engines, NOW, RULES)
    shuffler.shuffle(slots)
    shuffler.shuffle(engines)
    second = decide(slots, engines, NOW, RULES)
    assert sorted(said(first)) == sorted(said(second))
    assert first.recheck_at == second.recheck_at


def _plain(records: Iterable[SlotState | EngineState]) -> list[list[tuple[str, str]]]:
    """Every field but the references to other records."""
    return [
        [(name, repr(getattr(r, name))) for name in r.__dataclass_fields__ if name != "replicas"]
        + [("replicas", repr([(c.engine.name, c.phase, c.in_use) for c in r.replicas]))]
        for r in records
    ]
