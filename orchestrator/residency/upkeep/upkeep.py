"""What a scheduler does about its slots: brings them up, loses them, has more of them or fewer."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import httpx

from experts.openai import ExpertClient
from orchestrator.config.model import SlotsConfig
from orchestrator.residency.changing.happenings import Happenings
from orchestrator.residency.changing.roster import Roster
from orchestrator.residency.engines import HostedSlot
from orchestrator.residency.machine.effects import Effect
from orchestrator.residency.machine.machine import Machine
from orchestrator.residency.machine.state import SlotState
from orchestrator.residency.slot import authorization
from orchestrator.residency.transitions import Transitions
from orchestrator.residency.upkeep.adoption import sorted_out
from orchestrator.residency.upkeep.reach import Reach, answers
from orchestrator.residency.upkeep.scaler import Scaler
from orchestrator.residency.upkeep.supervisor import Supervisor

HEALTH_TIMEOUT_S = 5.0


class Upkeep:
    """Tells the machine which slots there are."""

    def __init__(
        self,
        slots: Mapping[str, HostedSlot],
        engines: Roster,
        machine: Machine,
        transitions: Transitions,
        happenings: Happenings,
        config: SlotsConfig,
        client: ExpertClient,
        say: Callable[[str], None],
        apply: Callable[[list[Effect]], None],
    ) -> None:
        """`apply` does what the machine answers."""
        self._slots, self._engines, self._machine = slots, engines, machine
        self._transitions, self._client, self._apply = transitions, client, apply
        self._happenings = happenings
        hosted = list(slots.values())
        for slot in hosted[config.count :]:
            slot.wanted = slot.slot.made
        reach = Reach(config.probe_s, config.probe_misses, answers)
        patience_s = config.start_timeout_s
        self._supervisor = Supervisor(
            hosted, say, self._up, self.lost, self._cut, reach, patience_s
        )
        self._scaler = Scaler(slots, engines, machine, self._supervisor, config, say)
        self._tasks: set[asyncio.Task[None]] = set()

    async def bring_up(self) -> None:
        """Bring up the slots that are wanted. Raises ServiceError."""
        await self._supervisor.start()

    def open(self) -> None:
        """Look after their number from now on, if it may change."""
        if self._scaler.may_change:
            self._begin(self._scaler.run(lambda: self._apply([])))

    async def stop(self) -> None:
        """End the slots' processes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._supervisor.stop()

    def vacant(self, state: SlotState) -> None:
        """Nothing is left in a slot that is given back."""
        self._begin(self._supervisor.give_back(self._slots[state.id]))

    def lost(self, slot: HostedSlot, goings: int) -> None:
        """A slot was found dead that had gone `goings` times before."""
        if slot.goings == goings:  # Else its watcher was quicker and has restarted it.
            self._happenings.lost(slot.slot.id, _names(slot))
            self._apply(self._machine.slot_lost(slot.state, time.monotonic()))

    async def suspect(self, slot: HostedSlot, engine: str) -> bool:
        """Whether a slot is gone, or an engine in it, which then leaves."""
        if await self._supervisor.gone(slot):
            return True
        replica = next((r for r in slot.state.replicas if r.engine.name == engine), None)
        if replica is not None and not await self._healthy(slot, engine):
            self._apply(self._machine.drop(replica, time.monotonic()))
            return True
        return replica is None

    async def refresh(self) -> None:
        """Ask every slot that is up how much memory it holds and what runs in it."""
        await self._supervisor.refresh()

    async def _up(self, slot: HostedSlot) -> None:
        """A slot's process runs; what it holds already is used again."""
        effects: list[Effect] = []
        for engine in await sorted_out(slot, self._engines):
            effects += self._machine.adopt(slot.state, engine.state, time.monotonic())
            self._happenings.note("loaded", engine.name, slot.slot.id, 0.0, "it was there before")
        self._apply(effects + self._machine.slot_up(slot.state, slot.found.empty_gb))

    def _cut(self, slot: HostedSlot) -> None:
        """Nobody reaches a slot: its requests end now, and what was under way there."""
        self._transitions.abandon(slot)
        self._happenings.lost(slot.slot.id, _names(slot), "the slot is out of reach")
        self._apply(self._machine.slot_lost(slot.state, time.monotonic(), cut=True))
        self._client.break_off(slot.url)

    async def _healthy(self, slot: HostedSlot, engine: str) -> bool:
        url, headers = f"{slot.url}/e/{engine}/health", authorization(slot.slot)
        try:
            answer = await self._client.get(url, headers=headers, timeout=HEALTH_TIMEOUT_S)
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _names(slot: HostedSlot) -> list[str]:
    return [replica.engine.name for replica in slot.state.replicas]
