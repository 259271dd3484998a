"""Engines and slots made by hand, and what the policy says to them."""

import math
from collections.abc import Iterable

from orchestrator.residency.machine.costs import Costs
from orchestrator.residency.machine.policy import PolicyDecision, Rules, decide
from orchestrator.residency.machine.state import EngineState, Phase, Replica, SlotState, add_replica

NOW = 1000.0
RULES = Rules(stage_loads=20.0, rate_window_s=100.0)


def engine(name: str, *, waiting: int = 0, since: float = NOW, gb: float = 1.0) -> EngineState:
    """Loads in 1 s, leaves at once, serves in 0.5 s; `waiting` requests without an age bound."""
    state = EngineState(name, gb, costs=Costs(1.0, 0.5, 0.0, 0.5))
    state.waiting = waiting
    state.oldest = since if waiting else math.inf
    return state


def bounded(name: str, deadline: float, *, waiting: int = 1) -> EngineState:
    state = engine(name, waiting=waiting, since=NOW - 1.0)
    state.deadline = deadline
    return state


def resident(
    slot: SlotState, state: EngineState, *, in_use: int = 0, since: float = 0.0
) -> Replica:
    replica = add_replica(state, slot)
    replica.phase, replica.in_use = Phase.READY, in_use
    replica.since = replica.last_used = since
    slot.used_gb += state.memory_gb
    return replica


def asked(state: EngineState, rate: float) -> EngineState:
    """As if it had been asked `rate` times a second until now."""
    state._count, state._counted_at = rate * RULES.rate_window_s, NOW
    return state


def ask(slots: Iterable[SlotState], *waiting: EngineState, rules: Rules = RULES) -> PolicyDecision:
    return decide(list(slots), waiting, NOW, rules)


def said(decision: PolicyDecision) -> list[tuple[str, list[str], str | None]]:
    """Slot, who leaves, who comes."""
    return [
        (m.slot.id, [c.engine.name for c in m.leaving], m.engine.name if m.engine else None)
        for m in decision.transitions
    ]
