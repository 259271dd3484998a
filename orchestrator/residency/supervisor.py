"""Keeps the slots' processes alive: starts them, notices when they die, brings them back."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from experts.errors import ServiceError
from orchestrator.residency.queues import HostedSlot
from orchestrator.residency.slot import SlotLost
from orchestrator.residency.state import Replica
from orchestrator.residency.transitions import clear_slot

RESTART_DELAY_S, RESTART_DELAY_MAX_S = 0.05, 5.0


class Supervisor:
    """Watches every slot; `reload` brings back what a slot that died had held."""

    def __init__(
        self,
        slots: list[HostedSlot],
        say: Callable[[str], None],
        reload: Callable[[HostedSlot, list[Replica]], Awaitable[None]],
        changed: Callable[[], None],
    ) -> None:
        self._slots = slots
        self._say = say
        self._reload = reload
        self._changed = changed
        self._held: dict[str, list[Replica]] = {slot.slot.id: [] for slot in slots}
        self._watchers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Bring every slot up. Raises ServiceError."""
        await asyncio.gather(*map(self._bring_up, self._slots))
        for slot in self._slots:
            slot.book.up = True
        self._watchers = [asyncio.create_task(self._watch(slot)) for slot in self._slots]

    async def stop(self) -> None:
        """Watch no longer, and end the processes."""
        for task in self._watchers:
            task.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        await asyncio.gather(*(slot.slot.stop() for slot in self._slots))

    async def gone(self, slot: HostedSlot) -> bool:
        """Whether a slot under suspicion is dead; if so, nothing is placed there any more."""
        restarts = slot.restarts
        if not slot.up.is_set():
            return True
        try:
            await slot.slot.memory_gb()
        except TimeoutError:
            return False  # It is busy; if it were dead, its watcher would know.
        except SlotLost:
            if slot.distrust(restarts):
                self._forget(slot)
            return True
        return False

    async def refresh(self) -> None:
        """Ask every slot that is up how much memory it holds and what runs in it."""
        for slot in self._slots:
            if slot.up.is_set():
                with suppress(SlotLost, TimeoutError):  # The numbers from before stay.
                    slot.memory_gb = await slot.slot.memory_gb()
                    slot.running = await slot.slot.running()

    async def _bring_up(self, slot: HostedSlot) -> None:
        started = time.perf_counter()
        try:
            slot.url = await slot.slot.start()
            slot.base_gb = slot.memory_gb = await slot.slot.memory_gb()
        except (SlotLost, TimeoutError, RuntimeError) as error:
            raise ServiceError(
                f"Slot {slot.slot.id} did not start: {str(error) or 'it took too long'}.",
                hint="Does Ray have the CPUs and GPUs that `slots` asks for?",
            ) from error
        slot.recount()
        slot.up.set()
        self._say(f"{slot.slot.id}: engine process ready in {time.perf_counter() - started:.1f} s")

    async def _watch(self, slot: HostedSlot) -> None:
        """Whenever the slot's process dies: forget what it held, restart it, load that again."""
        while True:
            await slot.slot.lost()
            slot.up.clear()
            slot.book.up = False
            slot.restarts += 1
            self._say(f"{slot.slot.id}: process lost, restarting")
            self._forget(slot)
            self._changed()  # Other slots may serve who waits.
            await self._bring_back(slot)
            held, self._held[slot.slot.id] = self._held[slot.slot.id], []
            await self._reload(slot, held)
            slot.book.up = slot.up.is_set()
            self._changed()

    async def _bring_back(self, slot: HostedSlot) -> None:
        delay_s = RESTART_DELAY_S
        while True:
            try:
                return await self._bring_up(slot)
            except ServiceError as error:
                self._say(str(error))
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RESTART_DELAY_MAX_S)

    def _forget(self, slot: HostedSlot) -> None:
        self._held[slot.slot.id] += clear_slot(slot.book)
        slot.recount()
        slot.drained.set()  # Who waits for a drain here need not wait.
