"""Keeps the slots' processes alive: starts them, notices when they die, restarts them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from experts.errors import ServiceError
from experts.mistakes import ended
from orchestrator.residency.engines import HostedSlot
from orchestrator.residency.slot import NoPlace, SlotLost, StartTooSlow
from orchestrator.residency.upkeep.reach import Reach

RESTART_DELAY_S, RESTART_DELAY_MAX_S = 0.05, 5.0

logger = logging.getLogger("coterie.residency")


class Supervisor:
    """Watches every slot that is wanted."""

    def __init__(
        self,
        slots: Sequence[HostedSlot],
        say: Callable[[str], None],
        up: Callable[[HostedSlot], Awaitable[None]],
        lost: Callable[[HostedSlot, int], None],
        cut: Callable[[HostedSlot], None],
        reach: Reach,
        patience_s: float,
    ) -> None:
        """`up` learns which slot runs, with what its process holds.

        `lost` learns which slot is dead, and how often it had gone before; `cut` which one nobody
        reaches, though it may live. The first slot has `patience_s` to find a node.
        """
        self._slots = slots
        self._say = say
        self._up = up
        self._lost = lost
        self._cut = cut
        self._reach = reach
        self._patience_s = patience_s
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._silent = {slot.slot.id: asyncio.Event() for slot in slots}

    async def start(self) -> None:
        """Bring up every slot that is wanted. Raises ServiceError.

        Those that no node has room for come when one has, if there are others.
        """
        wanted = [slot for slot in self._slots if slot.wanted]
        until = time.monotonic() + self._patience_s
        missing = await self._try(wanted)
        while wanted and len(missing) == len(wanted):
            if time.monotonic() > until:
                raise ServiceError(
                    f"No slot was started within {self._patience_s:g} s: {missing[0][1]}",
                    hint="`ray status` tells what the cluster has: make slots smaller, add nodes,"
                    " or raise slots.start_timeout_s.",
                )
            missing = await self._try(wanted)
        for _, why in missing:
            self._say(f"{why} The service starts without it.")
        for slot in wanted:
            self._watch(slot)

    async def stop(self) -> None:
        """Watch no longer, and end the processes."""
        watchers, self._watchers = list(self._watchers.values()), {}
        for task in watchers:
            task.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        await asyncio.gather(*(slot.slot.stop() for slot in self._slots))

    def ask(self, slot: HostedSlot) -> None:
        """Want one slot more; it is up when a node has room for it."""
        slot.wanted, slot.asked_at = True, time.monotonic()
        slot.asks += 1
        self._watch(slot)

    async def give_back(self, slot: HostedSlot) -> None:
        """Want a slot no longer in which nothing is left; its process ends."""
        slot.wanted = slot.state.up = False
        if (watcher := self._watchers.pop(slot.slot.id, None)) is not None:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        await slot.slot.stop()

    async def gone(self, slot: HostedSlot) -> bool:
        """Whether a slot under suspicion is dead; if so, nothing is placed there any more."""
        goings = slot.goings
        if not slot.state.up:
            return True
        asking = asyncio.ensure_future(slot.slot.memory_gb())
        probing = asyncio.ensure_future(self._answers(slot))
        try:
            await asyncio.wait((asking, probing), return_when=asyncio.FIRST_COMPLETED)
            if not asking.done() and not probing.result():
                self._silence(slot, goings)  # Ray would take its time to say so.
                return True
            await asking
        except (TimeoutError, RuntimeError):
            return slot.goings != goings  # It lives, if not well; else its watcher would know.
        except SlotLost:
            self._lost(slot, goings)
            return True
        finally:
            for task in (asking, probing):
                task.cancel()
            await asyncio.gather(asking, probing, return_exceptions=True)
        return False

    async def _answers(self, slot: HostedSlot) -> bool:
        return slot.node is None or await self._reach.answers(slot.url)

    async def refresh(self) -> None:
        """Ask every slot that is up how much memory it holds and what runs in it."""
        await asyncio.gather(*(_measure(slot) for slot in self._slots if slot.state.up))

    async def _try(self, slots: Sequence[HostedSlot]) -> list[tuple[HostedSlot, str]]:
        """Bring them up; those that no node has room for now, each with words about it."""

        async def why_not(slot: HostedSlot) -> str | None:
            try:
                await self._bring_up(slot)
            except NoPlace as error:
                return str(error)
            return None

        found = await asyncio.gather(*(why_not(slot) for slot in slots if not slot.state.up))
        down = [slot for slot in slots if not slot.state.up]
        return [(slot, why) for slot, why in zip(down, filter(None, found), strict=True)]

    async def _bring_up(self, slot: HostedSlot) -> None:
        started = time.perf_counter()
        try:
            slot.url = await slot.slot.start()
            slot.found = await slot.slot.held()
            slot.memory_gb = slot.found.memory_gb
            await self._up(slot)
        except NoPlace:
            raise
        except Exception as error:
            if not isinstance(error, SlotLost | StartTooSlow | TimeoutError | RuntimeError):
                logger.exception("%s did not start", slot.slot.id)
            raise self._did_not_start(slot, error) from error
        slot.asked_at = time.monotonic()
        held = ", ".join(sorted(slot.found.engines))
        seconds = time.perf_counter() - started
        self._say(
            f"{slot.slot.id}: engine process ready in {seconds:.1f} s{slot.whereabouts}"
            + (f", with {held}" if held else "")
        )

    def _watch(self, slot: HostedSlot) -> None:
        self._watchers[slot.slot.id] = asyncio.create_task(self._tend(slot))

    async def _tend(self, slot: HostedSlot) -> None:
        """Whenever the slot's process dies, restart it; when it is out of reach, wait for it."""
        delay_s = RESTART_DELAY_S
        while True:
            try:
                if not slot.state.up:
                    await self._bring_back(slot)
                await (self._until_gone(slot) if slot.reached else self._until_back(slot))
                delay_s = RESTART_DELAY_S
            except Exception:
                # It must not end: the slot would never come back.
                logger.exception("%s: watching its process failed", slot.slot.id)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, RESTART_DELAY_MAX_S)

    async def _bring_back(self, slot: HostedSlot) -> None:
        """Until it is up, if it is within reach."""
        delay_s, said = RESTART_DELAY_S, ""
        while slot.reached:
            try:
                return await self._bring_up(slot)
            except (ServiceError, NoPlace) as error:
                if str(error) != said:  # Tried every few seconds; one line for each reason.
                    said = str(error)
                    logger.warning("%s", said)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RESTART_DELAY_MAX_S)

    # Losses.

    async def _until_gone(self, slot: HostedSlot) -> None:
        """Return when its process has died, or does not answer any more, which is noted."""
        silent, goings = self._silent[slot.slot.id], slot.goings
        silent.clear()
        ways: list[Awaitable[None]] = [slot.slot.lost()]
        if slot.node is not None:
            ways += [_noted(silent), self._reach.until_silent(slot.url)]
        if await _first(ways) == 0:
            self._has_died(slot)
        else:
            self._silence(slot, goings)

    async def _until_back(self, slot: HostedSlot) -> None:
        """Return when it answers again, or Ray has given it up."""
        began = time.monotonic()
        if await _first([slot.slot.lost(), self._reach.until_back(slot.url)]) == 0:
            slot.reached = True
            self._has_died(slot)
            return
        slot.reached = True
        seconds = time.monotonic() - began
        logger.warning("%s%s answers again, after %.1f s", slot.slot.id, slot.whereabouts, seconds)

    def _has_died(self, slot: HostedSlot) -> None:
        self._lost(slot, slot.goings)
        slot.restarts += 1
        logger.warning("%s: process%s lost, restarting", slot.slot.id, slot.whereabouts)

    def _silence(self, slot: HostedSlot, goings: int) -> None:
        """Nobody reaches the slot; whoever finds out first is the one who counts."""
        if slot.goings != goings or not slot.state.up:
            return
        slot.cuts += 1
        slot.reached = False
        self._silent[slot.slot.id].set()
        self._cut(slot)
        logger.warning(
            "%s%s is out of reach: its requests are asked elsewhere until it answers",
            slot.slot.id,
            slot.whereabouts,
        )

    def _did_not_start(self, slot: HostedSlot, error: Exception) -> ServiceError:
        """What to say, and to do; a slot that ran before had the CPUs and GPUs that it needs."""
        reason = str(error) or "it took too long"
        hint = "Does Ray have the CPUs and GPUs that `slots` asks for?"
        if "No module named" in reason:
            hint = "Is the same version of Coterie installed on every node of the Ray cluster?"
        if isinstance(error, SlotLost):
            reason = "Ray does not bring its process up"
        if isinstance(error, StartTooSlow):
            others = [s.slot.id for s in self._slots if s.wanted and not s.state.up]
            others.remove(slot.slot.id)
            also = f", and so were {', '.join(others)}" if others else ""
            reason = f"{reason}{also}"
            hint = (
                "Raise slots.start_timeout_s: slots that start together on a busy machine take"
                " longer."
            )
        if slot.restarts and isinstance(error, SlotLost | StartTooSlow | TimeoutError):
            hint = (
                "If Ray does not answer: restart the service where Ray runs inside it; with"
                " `ray.address`, look at that cluster."
            )
        return ServiceError(f"Slot {slot.slot.id} did not start: {ended(reason)}", hint=hint)


async def _measure(slot: HostedSlot) -> None:
    with suppress(SlotLost, TimeoutError, RuntimeError):  # The numbers from before stay.
        slot.memory_gb = await slot.slot.memory_gb()
        slot.running = await slot.slot.running()


async def _noted(event: asyncio.Event) -> None:
    await event.wait()


async def _first(ways: Sequence[Awaitable[None]]) -> int:
    """Which of them has ended first; raises what it raises."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    first = next(task for task in tasks if task in done)
    first.result()
    return tasks.index(first)
