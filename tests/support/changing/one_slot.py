"""The machine over one slot, for tests that tell it event by event what happens."""

import math
from typing import Any

from orchestrator.residency.machine.costs import FIELDS, Costs
from orchestrator.residency.machine.effects import Begin, Effect, Grant, Load
from orchestrator.residency.machine.machine import Bounds, Machine
from orchestrator.residency.machine.queues import EngineQueue
from orchestrator.residency.machine.state import EngineState, SlotState, Ticket


class Pool:
    """A machine over one slot of 4 GB; engines take 3 GB, load in 1 s and serve in 0.5 s."""

    def __init__(self, *engines: str, max_queued: int = 9, limit: int = 2, **bounds: Any) -> None:
        self.slot = SlotState("s", 4.0)
        self.engines = {
            name: EngineState(name, 3.0, limit, costs=Costs(1.0, 1.0, 0.0, 0.5, set(FIELDS)))
            for name in engines
        }
        queues = [
            EngineQueue(state, {name: limit}, {name: max_queued})
            for name, state in self.engines.items()
        ]
        self.machine = Machine(queues, [self.slot], bounds=Bounds(**bounds))

    def arrive(self, name: str, now: float, bound_s: float = math.inf) -> tuple[Ticket, Any]:
        ticket = Ticket(name, now, now + bound_s)
        return ticket, self.machine.arrived(ticket, now)

    def load(self, name: str, now: float) -> Ticket:
        """A request that has begun at `now`, in an engine that was not there."""
        ticket, effects = self.arrive(name, now)
        assert effects == []
        effects = self.machine.tick(now)
        assert kinds(effects) == [Begin, Load]
        load = effects[1]
        assert isinstance(load, Load)
        assert Grant(ticket) in self.machine.loaded(load.replica, now)
        return ticket


def kinds(effects: list[Effect]) -> list[type]:
    return [type(effect) for effect in effects]
