"""What is made of requests that are known to come."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_states import NOW, RULES, ask, asked, bounded, engine, resident, said

from orchestrator.residency.machine.costs import FIELDS, Costs
from orchestrator.residency.machine.effects import Begin, Effect, Load, Unload
from orchestrator.residency.machine.foresight import gathers
from orchestrator.residency.machine.machine import Machine
from orchestrator.residency.machine.policy import AHEAD, Rules
from orchestrator.residency.machine.queues import EngineQueue
from orchestrator.residency.machine.state import CHOICE, FIRST, EngineState, SlotState

LATER = FIRST + 1


def expected(state: EngineState, count: int = 1) -> EngineState:
    state.expected = state.unhurried = count
    return state


def waits(name: str, *stages: int, count: int = 5) -> EngineState:
    """`count` requests of each stage wait, without an age bound."""
    state = engine(name, waiting=count * len(stages))
    state.stages = dict.fromkeys(stages, count)
    return state


# Loads ahead.


def test_what_is_expected_is_loaded_into_free_room() -> None:
    slot = SlotState("slot", 2.0)
    resident(slot, engine("idle"))
    decision = ask([slot], expected(engine("lead")))
    assert said(decision) == [("slot", [], "lead")]
    assert [transition.reason for transition in decision.transitions] == [AHEAD]


def test_the_most_expected_first_and_one_for_each_slot() -> None:
    slots = [SlotState("one", 9.0), SlotState("two", 9.0)]
    leads = [expected(engine(name), count) for name, count in (("a", 1), ("b", 3), ("c", 2))]
    assert [name for _, _, name in said(ask(slots, *leads))] == ["b", "c"]


def test_an_idle_expert_makes_room_unless_it_is_missed() -> None:
    slot = SlotState("slot", 1.0)
    idle = engine("idle")
    resident(slot, idle)
    assert said(ask([slot], expected(engine("lead")))) == [("slot", ["idle"], "lead")]
    asked(idle, 5.0)  # Seven would come while it is away.
    assert said(ask([slot], expected(engine("lead"), 3))) == []
    assert said(ask([slot], expected(engine("lead"), 9))) == [("slot", ["idle"], "lead")]


def test_after_a_burst_it_looks_again() -> None:
    slot = SlotState("slot", 1.0)
    resident(slot, asked(engine("idle"), 5.0))
    lead = expected(engine("lead"), 3)
    decision = ask([slot], lead)
    assert NOW < decision.recheck_at < math.inf


@pytest.mark.parametrize("kept", ["in use", "waited for", "expected", "pinned"])
def test_nobody_who_is_needed_leaves_for_it(kept: str) -> None:
    slot = SlotState("slot", 1.0, load_blocks=False)
    there = engine("there", waiting=int(kept == "waited for"))
    resident(slot, there, in_use=int(kept == "in use"))
    there.expected, there.pinned = int(kept == "expected"), kept == "pinned"
    assert said(ask([slot], expected(engine("lead"), 9), there)) == []


def test_who_runs_does_not_stand_still_for_it() -> None:
    for blocks, loads in ((True, []), (False, [("slot", [], "lead")])):
        slot = SlotState("slot", 2.0, load_blocks=blocks)
        resident(slot, engine("runs"), in_use=1)
        assert said(ask([slot], expected(engine("lead")))) == loads


def test_who_waits_goes_first() -> None:
    slot = SlotState("slot", 1.0)
    assert said(ask([slot], expected(engine("lead"), 99), engine("new", waiting=1))) == [
        ("slot", [], "new")
    ]


def test_room_that_somebody_waits_for_stays_free() -> None:
    slot, waiting = SlotState("slot", 2.0, load_blocks=False), bounded("waits", NOW + 99.0)
    resident(slot, asked(engine("runs"), 9.0), in_use=5)
    waiting.memory_gb = 2.0
    lead = expected(engine("lead"))
    assert said(ask([slot], lead, waiting)) == []
    waiting.memory_gb = 3.0  # It fits nowhere, so the room is nobody's.
    assert said(ask([slot], lead, waiting)) == [("slot", [], "lead")]


def test_what_failed_or_is_switched_off_is_not_loaded_ahead() -> None:
    slot, lead = SlotState("slot", 1.0), expected(engine("lead"))
    assert said(ask([slot], lead, rules=Rules(prefetch=False))) == []
    lead.retry_at = NOW + 1.0
    assert said(ask([slot], lead)) == []


# Gathering.


def test_who_gathers() -> None:
    assert not gathers(waits("panel", FIRST))
    assert not gathers(expected(waits("panel", FIRST)))
    assert not gathers(expected(waits("both", FIRST, LATER)))
    assert not gathers(waits("all are there", LATER))
    lead = expected(waits("lead", LATER))
    assert gathers(lead)
    lead.deadline = NOW + 10.0
    assert not gathers(lead)


def test_while_a_tagger_reads_everybody_else_gathers() -> None:
    panel, tagger = waits("panel", FIRST), waits("tagger", CHOICE)
    panel.outlook.undecided = tagger.outlook.undecided = 1
    assert gathers(panel)
    assert not gathers(tagger)


def test_a_load_that_drives_somebody_out_waits_for_those_that_are_on_their_way() -> None:
    slot = SlotState("slot", 2.0)
    resident(slot, engine("works"), in_use=1)
    resident(slot, engine("rests"))
    lead = expected(waits("lead", LATER), 9)
    assert said(ask([slot], lead)) == []
    assert said(ask([slot], lead, waits("panel", FIRST, count=2))) == [("slot", ["rests"], "panel")]
    assert said(ask([slot], expected(lead, 0))) == [("slot", ["rests"], "lead")]


def test_where_nothing_else_happens_nobody_waits_for_more() -> None:
    slot = SlotState("slot", 1.0)
    resident(slot, engine("rests"))
    lead = expected(waits("lead", LATER), 9)
    assert said(ask([slot], lead)) == [("slot", ["rests"], "lead")]


def test_it_waits_no_longer_than_its_patience() -> None:
    slot = SlotState("slot", 2.0)
    resident(slot, engine("works"), in_use=1)
    resident(slot, engine("rests"))
    lead = expected(waits("lead", LATER), 9)
    decision = ask([slot], lead)
    lead.oldest -= decision.recheck_at - NOW
    assert said(ask([slot], lead)) == [("slot", ["rests"], "lead")]


def test_those_that_are_asked_again_stay_longest() -> None:
    slot = SlotState("slot", 2.0)
    resident(slot, expected(engine("lead"), 9))
    resident(slot, engine("over"), since=NOW)
    assert said(ask([slot], waits("panel", FIRST))) == [("slot", ["over"], "panel")]


# Withdrawn.


class Driver:
    """A machine over a slot that fits one of four; loads take no time."""

    def __init__(self) -> None:
        costs = Costs(1.0, 1.0, 0.0, 0.5, set(FIELDS))
        states = [EngineState(name, 1.0, costs=costs) for name in "abcd"]
        self.slot = SlotState("slot", 1.0)
        self.machine = Machine([EngineQueue(state) for state in states], [self.slot], rules=RULES)
        self.loads: list[str] = []
        self.reasons: list[str] = []

    def tick(self, now: float) -> None:
        self._apply(self.machine.tick(now), now)
        while self.machine.tick_at <= now:
            self._apply(self.machine.tick(now), now)

    def _apply(self, effects: list[Effect], now: float) -> None:
        for effect in effects:
            match effect:
                case Load(replica):
                    self.loads.append(replica.engine.name)
                    self._apply(self.machine.loaded(replica, now), now)
                case Unload(replica):
                    self._apply(self.machine.left(replica), now)
                case Begin(transition):
                    self.reasons.append(transition.reason)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=40))
def test_what_is_announced_and_withdrawn_again_and_again_costs_one_load_each(
    names: list[str],
) -> None:
    driver = Driver()
    for number, name in enumerate(names):
        driver.machine.expects(name, False)
        driver.tick(float(number))
        driver.machine.expects_no_more(name, False)
        driver.tick(number + 0.5)
    assert sorted(driver.loads) == sorted(set(names))
    assert set(driver.reasons) <= {AHEAD}
    assert driver.machine.tick_at == math.inf


def test_memory_that_is_short_for_it_drives_nobody_out() -> None:
    states = [EngineState(name, 1.0) for name in "ab"]
    slot = SlotState("slot", 2.0, load_blocks=False)
    machine = Machine([EngineQueue(state) for state in states], [slot], rules=RULES)
    running = resident(slot, states[0], in_use=1)
    machine.expects("b", True)
    [_, load] = machine.tick(NOW)
    assert isinstance(load, Load)
    machine.memory_short(load.replica, "it does not fit", NOW)
    assert slot.replicas == [running]
    assert running.admits
    assert states[1].failed is None
    assert machine.tick(NOW) == []
