"""Has as many slots as are needed: looks once a second, asks for more, gives some back."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from orchestrator.config.model import SlotsConfig
from orchestrator.residency.changing.roster import Roster
from orchestrator.residency.engines import HostedSlot
from orchestrator.residency.machine.machine import Machine
from orchestrator.residency.machine.state import EngineState, Replica
from orchestrator.residency.upkeep.demand import BUSY, Bounds, SlotUse, change, overdue
from orchestrator.residency.upkeep.supervisor import Supervisor

LOOK_S = 1.0

logger = logging.getLogger("coterie.residency")


class Scaler:
    """The number of slots of one pool."""

    def __init__(
        self,
        slots: Mapping[str, HostedSlot],
        engines: Roster,
        machine: Machine,
        supervisor: Supervisor,
        config: SlotsConfig,
        say: Callable[[str], None],
    ) -> None:
        self._slots = slots
        self._engines = engines
        self._machine = machine
        self._supervisor = supervisor
        self._bounds = Bounds(
            config.count, config.most, config.grow_after_s, config.give_back_after_s
        )
        self._say = say
        self._short_at = 0.0
        """When requests had last waited too long."""
        self.may_change = config.most > config.count

    async def run(self, changed: Callable[[], None]) -> None:
        """Look after it for ever; `changed` is called when the machine has something to do."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                if self.look(time.monotonic()):
                    changed()
            except Exception:
                logger.exception("whether there should be more slots was not found out")

    def look(self, now: float) -> bool:
        """Do what is to be done now; whether that was anything."""
        uses = [self._use(slot) for slot in self._slots.values()]
        states = [engine.state for engine in self._engines.values()]
        waits = [state.oldest for state in states if _waits_in_vain(state, now)]
        short = overdue(waits, now, self._bounds)
        # Those that are being loaded at last have waited, too.
        if overdue([state.oldest for state in states if state.waiting], now, self._bounds):
            self._short_at = now
        todo = change(uses, short, self._short_at, now, self._bounds)
        for name in todo.ask:
            slot = self._slots[name]
            longest_s = now - min(waits)
            self._say(f"{name} is asked for: requests have waited for {longest_s:.0f} s")
            self._supervisor.ask(slot)
        for name in todo.give_back:
            slot = self._slots[name]
            self._say(f"{name}{slot.whereabouts} is given back: it was of no use for a while")
            self._machine.vacate(slot.state)
        return bool(todo.ask or todo.give_back)

    def _use(self, slot: HostedSlot) -> SlotUse:
        state = slot.state
        busy = any(replica.in_use for replica in state.replicas)
        used = max((replica.last_used for replica in state.replicas), default=0.0)
        since = BUSY if busy else max(used, slot.asked_at)
        needed = state.closing or (
            state.up and (state.in_transition or any(map(_must_stay, state.replicas)))
        )
        return SlotUse(slot.slot.id, slot.wanted, state.up, since, needed)


def _waits_in_vain(engine: EngineState, now: float) -> bool:
    """Whether requests wait for an engine, and nothing is done about it."""
    return bool(engine.waiting) and not engine.loading and engine.retry_at <= now


def _must_stay(replica: Replica) -> bool:
    """Whether its slot cannot be given back because of it."""
    engine = replica.engine
    only = len(engine.replicas) == 1
    asked = engine.waiting or engine.expected or engine.followed
    return bool(asked) or (engine.pinned and only)
