"""How engines and slots are, as a controller tells it and its gateways note it.

A gateway's own `HostedEngine` and `HostedSlot` are brought up to date, so that everything that
reads a pool (`orchestrator.residency.pool_view`) reads there what the controller has.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from orchestrator.residency.engines import HostedEngine, HostedSlot
from orchestrator.residency.machine.costs import Costs
from orchestrator.residency.machine.state import Phase, Replica
from orchestrator.residency.pool_view import PoolView

_OF_ENGINES = (
    "loads",
    "load_seconds",
    "evictions",
    "leaked_gb",
    "taken_gb",
    "largest_gb",
    "limits",
)
_OF_STATES = ("memory_gb", "waiting", "expected", "failed", "failures", "failures_in_a_row")
_OF_SLOTS = (
    "url",
    "memory_gb",
    "running",
    "restarts",
    "cuts",
    "asks",
    "reached",
    "wanted",
    "doing",
)
_OF_SLOT_STATES = ("budget_gb", "base_gb", "up", "in_transition", "asleep")


@dataclass(slots=True, eq=False)
class FarSlot:
    """What can be said of a slot that another process drives."""

    id: str
    load_blocks: bool
    sleeps: bool = False
    token: str | None = None
    made: bool = False


def tell(view: PoolView, now: float) -> dict[str, Any]:
    """Everything that `hear` notes, of which Ray can make bytes."""
    return {
        "engines": {engine.name: _engine(engine, now) for engine in view.engines()},
        "slots": {slot.slot.id: _slot(slot, now) for slot in view.slots()},
        "first_come": dict(view.first_come()),
    }


def _engine(engine: HostedEngine, now: float) -> dict[str, Any]:
    state = engine.state
    return {
        **{name: getattr(engine, name) for name in _OF_ENGINES},
        "refused": dict(engine.refused),
        "queued": dict(engine.queue.queued),
        "costs": {one.name: getattr(state.costs, one.name) for one in fields(Costs)},
        "state": {name: getattr(state, name) for name in _OF_STATES},
        "oldest_s": now - state.oldest,
        "retry_s": state.retry_at - now,
    }


def _slot(slot: HostedSlot, now: float) -> dict[str, Any]:
    replicas = [
        (r.engine.name, r.phase.value, r.in_use, now - r.entered, now - r.since)
        for r in slot.state.replicas
    ]
    return {
        **{name: getattr(slot, name) for name in _OF_SLOTS},
        "state": {name: getattr(slot.state, name) for name in _OF_SLOT_STATES},
        "doing_s": now - slot.doing_since,
        "sleeps": slot.slot.sleeps,
        "token": slot.slot.token,
        "replicas": replicas,
    }


def hear(state: Mapping[str, Any], view: PoolView, now: float) -> None:
    """Note what was told."""
    engines = {engine.name: engine for engine in view.engines()}
    for engine in engines.values():
        engine.state.replicas.clear()
        if (seen := state["engines"].get(engine.name)) is not None:
            _note_engine(engine, seen, now)
    for slot in view.slots():
        if (seen := state["slots"].get(slot.slot.id)) is not None:
            _note_slot(slot, seen, engines, now)


def _note_engine(engine: HostedEngine, seen: Mapping[str, Any], now: float) -> None:
    for name in _OF_ENGINES:
        setattr(engine, name, seen[name])
    engine.refused = seen["refused"]
    engine.queue.queued.update(seen["queued"])
    for name, value in seen["costs"].items():
        setattr(engine.state.costs, name, value)
    for name, value in seen["state"].items():
        setattr(engine.state, name, value)
    waited_s = seen["oldest_s"]
    engine.state.oldest = now - waited_s if waited_s > -math.inf else math.inf
    engine.state.retry_at = now + seen["retry_s"]


def _note_slot(
    slot: HostedSlot, seen: Mapping[str, Any], engines: Mapping[str, HostedEngine], now: float
) -> None:
    for name in _OF_SLOTS:
        setattr(slot, name, seen[name])
    slot.doing_since = now - seen["doing_s"]
    slot.slot.sleeps, slot.slot.token = seen["sleeps"], seen["token"]
    state = slot.state
    for name, value in seen["state"].items():
        setattr(state, name, value)
    state.replicas = []
    for name, phase, in_use, entered_s, since_s in seen["replicas"]:
        if (engine := engines.get(name)) is None:
            continue
        replica = Replica(engine.state, state, Phase(phase), in_use, now - entered_s, now - since_s)
        state.replicas.append(replica)
        engine.state.replicas.append(replica)
    state.recount()
