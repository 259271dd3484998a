"""Keeps the slots' processes alive: starts them, notices when they die, restarts them."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from experts.errors import ServiceError
from experts.mistakes import ended
from orchestrator.residency.engines import HostedSlot
from orchestrator.residency.slot import SlotLost

RESTART_DELAY_S, RESTART_DELAY_MAX_S = 0.05, 5.0

logger = logging.getLogger("coterie.residency")


class Supervisor:
    """Watches every slot."""

    def __init__(
        self,
        slots: list[HostedSlot],
        say: Callable[[str], None],
        up: Callable[[HostedSlot, float], None],
        lost: Callable[[HostedSlot, int], None],
    ) -> None:
        """`up` learns which slot runs, and the memory of its empty process.

        `lost` learns which slot is dead, and how often that had been restarted.
        """
        self._slots = slots
        self._say = say
        self._up = up
        self._lost = lost
        self._watchers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Bring every slot up. Raises ServiceError."""
        await asyncio.gather(*map(self._bring_up, self._slots))
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
        if not slot.state.up:
            return True
        try:
            await slot.slot.memory_gb()
        except (TimeoutError, RuntimeError):
            return False  # It lives, if not well; if it were dead, its watcher would know.
        except SlotLost:
            self._lost(slot, restarts)
            return True
        return False

    async def refresh(self) -> None:
        """Ask every slot that is up how much memory it holds and what runs in it."""
        for slot in self._slots:
            if slot.state.up:
                with suppress(
                    SlotLost, TimeoutError, RuntimeError
                ):  # The numbers from before stay.
                    slot.memory_gb = await slot.slot.memory_gb()
                    slot.running = await slot.slot.running()

    async def _bring_up(self, slot: HostedSlot) -> None:
        started = time.perf_counter()
        try:
            slot.url = await slot.slot.start()
            slot.found = await slot.slot.held()
            slot.memory_gb = slot.found.memory_gb
        except Exception as error:
            if not isinstance(error, SlotLost | TimeoutError | RuntimeError):
                logger.exception("%s did not start", slot.slot.id)
            raise _did_not_start(slot, error) from error
        self._up(slot, slot.found.empty_gb)
        seconds = time.perf_counter() - started
        self._say(f"{slot.slot.id}: engine process ready in {seconds:.1f} s{slot.whereabouts}")

    async def _watch(self, slot: HostedSlot) -> None:
        """Whenever the slot's process dies, restart it."""
        delay_s = RESTART_DELAY_S
        while True:
            try:
                await slot.slot.lost()
                delay_s = RESTART_DELAY_S
            except Exception:
                # It must not end: the slot would never come back.
                logger.exception("%s: watching its process failed", slot.slot.id)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, RESTART_DELAY_MAX_S)
                continue
            self._lost(slot, slot.restarts)
            slot.restarts += 1
            logger.warning("%s: process%s lost, restarting", slot.slot.id, slot.whereabouts)
            await self._bring_back(slot)

    async def _bring_back(self, slot: HostedSlot) -> None:
        delay_s, said = RESTART_DELAY_S, ""
        while True:
            try:
                return await self._bring_up(slot)
            except ServiceError as error:
                if str(error) != said:  # Tried every few seconds; one line for each reason.
                    said = str(error)
                    logger.warning("%s", said)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RESTART_DELAY_MAX_S)


def _did_not_start(slot: HostedSlot, error: Exception) -> ServiceError:
    """What to say, and to do; a slot that ran before had the CPUs and GPUs that it needs."""
    reason = str(error) or "it took too long"
    hint = "Does Ray have the CPUs and GPUs that `slots` asks for?"
    if "No module named" in reason:
        hint = "Is the same version of Coterie installed on every node of the Ray cluster?"
    if isinstance(error, SlotLost):
        reason = "Ray does not bring its process up"
    if slot.restarts and isinstance(error, SlotLost | TimeoutError):
        hint = (
            "If Ray does not answer: restart the service where Ray runs inside it; with"
            " `ray.address`, look at that cluster."
        )
    return ServiceError(f"Slot {slot.slot.id} did not start: {ended(reason)}", hint=hint)
