"""Carries out what the policy decides: drain, leave, load, check, open."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from experts.errors import ExpertUnavailable
from experts.vllm.loads import LoadReport
from orchestrator.config.model import SlotsConfig
from orchestrator.residency.canary import Canary
from orchestrator.residency.policy import Move
from orchestrator.residency.queues import LOST_LOADS, HostedEngine, HostedSlot
from orchestrator.residency.slot import SlotLost
from orchestrator.residency.state import Phase, Replica, SlotState, add_replica, remove_replica

_OUT_OF_MEMORY = (
    "out of memory",
    "outofmemory",
    "cannot allocate memory",
    "can't allocate",
    "memoryerror",
    # vLLM's words, where it looks before it allocates.
    "free memory on device",
    "no available memory",
)


class Transitions:
    """Changes what slots hold, one move per slot at a time."""

    def __init__(
        self,
        engines: Mapping[str, HostedEngine],
        slots: Mapping[str, HostedSlot],
        config: SlotsConfig,
        canary: Canary,
        say: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._engines = engines
        self._slots = slots
        self._config = config
        self._canary = canary
        self._say = say
        self._changed = changed
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, move: Move, may_sleep: bool = True) -> "asyncio.Task[None]":
        """Enter the move into the books at once, and carry it out in a task.

        An engine that is broken may not sleep: it would wake broken.
        """
        slot = self._slots[move.slot.id]
        slot.book.moving = True
        for copy in move.leaving:
            copy.phase = Phase.DRAINING
        coming = None
        if move.engine is not None:
            coming = add_replica(move.engine, slot.book)
            self._engines[move.engine.name].load_began = time.monotonic()
        slot.recount()
        return self._start(self._run(slot, move.leaving, coming, may_sleep))

    async def stop(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(
        self,
        slot: HostedSlot,
        leaving: tuple[Replica, ...],
        coming: Replica | None,
        may_sleep: bool,
    ) -> None:
        restarts = slot.restarts
        try:
            for copy in leaving:
                await self._leave(slot, copy, may_sleep)
            # Where the slot died meanwhile, its watcher has struck it out.
            if coming is not None and coming in slot.book.copies:
                await self._arrive(slot, coming)
        except SlotLost:
            slot.distrust(restarts)
            if coming is not None:
                self._lost(coming)
        except (TimeoutError, RuntimeError) as error:
            reason = str(error) or "it took too long"
            self._stay(slot, reason)
            if coming is not None:
                self._fail(coming, reason)
        finally:
            slot.doing = None
            slot.book.moving = False
            slot.recount()
            self._changed()

    # Leaving.

    async def _leave(self, slot: HostedSlot, copy: Replica, may_sleep: bool = True) -> None:
        """Drain, then drop or put to sleep; a slot that dies takes the copy with it."""
        engine = self._engines[copy.engine.name]
        self._does(slot, f"draining {engine.name}")
        while copy.in_use and copy in slot.book.copies:
            slot.drained.clear()
            await slot.drained.wait()
        if copy not in slot.book.copies:
            return
        self._does(slot, f"dropping {engine.name}")
        before_gb = await self._measure_gb(slot)
        seconds = await self._drop(slot, engine, may_sleep)
        remove_replica(copy)
        slot.recount()
        engine.evictions += 1
        engine.estimates.measured("leave_s", seconds)
        self._say(f"{slot.slot.id}: {engine.name} left in {seconds:.2f} s")
        after_gb = await self._measure_gb(slot)
        if before_gb is not None and after_gb is not None:
            self._check_freed(engine, before_gb - after_gb)

    async def _drop(self, slot: HostedSlot, engine: HostedEngine, may_sleep: bool) -> float:
        level = self._config.sleep_level
        if not may_sleep or not slot.slot.sleeps or level == 0:
            return await slot.slot.unload(engine.name)
        asleep_gb = sum(self._engines[name].book.memory_gb for name in slot.book.asleep)
        # Level 2 forgets the weights.
        if level == 1 and asleep_gb + engine.book.memory_gb > self._config.host_memory_gb:
            return await slot.slot.unload(engine.name)
        seconds = await slot.slot.sleep(engine.name, level)
        slot.book.asleep.add(engine.name)
        return seconds

    async def _measure_gb(self, slot: HostedSlot) -> float | None:
        """None where the slot is too busy to tell: the number from before stays."""
        try:
            slot.memory_gb = await slot.slot.memory_gb()
        except TimeoutError:
            return None
        return slot.memory_gb

    def _check_freed(self, engine: HostedEngine, freed_gb: float) -> None:
        leaked_gb = engine.taken_gb - freed_gb
        if leaked_gb > self._config.leak_tolerance_gb:
            engine.leaked_gb += leaked_gb
            self._say(
                f"{engine.name} gave back {max(freed_gb, 0.0):.2f} of"
                f" {engine.taken_gb:.2f} GB: the rest has leaked"
            )

    # Arriving.

    async def _arrive(self, slot: HostedSlot, copy: Replica) -> None:
        engine = self._engines[copy.engine.name]
        woken = engine.name in slot.book.asleep
        started = time.perf_counter()
        report = await self._load(slot, engine, copy)
        await self._check_canary(slot, engine)
        seconds = time.perf_counter() - started
        if copy not in slot.book.copies:
            return  # The slot died meanwhile, and its watcher has cleared it.
        engine.estimates.measured("wake_s" if woken else "load_s", seconds)
        self._open(slot, engine, copy, report)
        self._say(f"{slot.slot.id}: {', '.join(engine.load.experts)} loaded in {seconds:.1f} s")
        await self._measure_gb(slot)
        self._start(engine.estimates.keep())  # A store that is slow holds nobody up.

    async def _load(self, slot: HostedSlot, engine: HostedEngine, coming: Replica) -> LoadReport:
        """Once more into an empty slot where memory was short."""
        self._does(slot, f"loading {engine.name}")
        try:
            return await self._load_once(slot, engine)
        except RuntimeError as error:
            if not any(words in str(error).lower() for words in _OUT_OF_MEMORY):
                raise
            self._say(f"{slot.slot.id}: no memory for {engine.name}; once more with others gone")
        for copy in tuple(slot.book.copies):
            if copy.phase is Phase.READY and not copy.engine.pinned:
                copy.phase = Phase.DRAINING
                await self._leave(slot, copy)
        if coming not in slot.book.copies:
            raise SlotLost(f"Slot {slot.slot.id} lost its process meanwhile.")
        self._does(slot, f"loading {engine.name}")
        return await self._load_once(slot, engine)

    async def _load_once(self, slot: HostedSlot, engine: HostedEngine) -> LoadReport:
        if slot.slot.sleeps and engine.name in slot.book.asleep:
            slot.book.asleep.discard(engine.name)  # Awake or gone: it sleeps no longer.
            return LoadReport(await slot.slot.wake(engine.name), engine.taken_gb)
        return await slot.slot.load(engine.load)

    async def _check_canary(self, slot: HostedSlot, engine: HostedEngine) -> None:
        """The first load records the answer; later ones must repeat it, or load afresh."""
        if not self._canary.wanted:
            return
        if await self._sings(slot, engine):
            return
        self._say(f"{slot.slot.id}: {engine.name} came back wrong and is loaded afresh")
        await slot.slot.unload(engine.name)
        await slot.slot.load(engine.load)
        if not await self._sings(slot, engine):
            await slot.slot.unload(engine.name)
            raise RuntimeError("its answer to a known prompt changed, also after a fresh load")

    async def _sings(self, slot: HostedSlot, engine: HostedEngine) -> bool:
        """Whether it answers as it did first; one that does not answer at all is dropped."""
        try:
            answer = await self._canary.sing(f"{slot.url}/e/{engine.name}", engine.name)
        except RuntimeError:
            await slot.slot.unload(engine.name)  # Raises SlotLost where that is why.
            raise
        if engine.canary is None:
            engine.canary = answer
        return answer == engine.canary

    def _open(
        self, slot: HostedSlot, engine: HostedEngine, copy: Replica, report: LoadReport
    ) -> None:
        now = time.monotonic()
        if not slot.slot.sleeps:
            slot.book.asleep.add(engine.name)  # From now on, its files and classes are warm here.
        copy.phase, copy.since, copy.last_used = Phase.READY, now, now
        engine.loads += 1
        engine.load_seconds = report.seconds
        engine.failed_in_a_row, engine.failed, engine.lost_loads = 0, None, 0
        engine.taken_gb = report.memory_gb
        engine.measured(report.memory_gb)
        slot.recount()
        engine.serve(now)

    # What goes wrong.

    def _stay(self, slot: HostedSlot, reason: str) -> None:
        """Who was to leave and has not is still there, as far as anybody knows."""
        for copy in slot.book.copies:
            if copy.phase is Phase.DRAINING:
                copy.phase, copy.last_used = Phase.READY, time.monotonic()
                self._say(f"{slot.slot.id}: {copy.engine.name} could not leave: {reason}")

    def _lost(self, copy: Replica) -> None:
        """The slot died during the load. Who waits is served elsewhere, or when it is back."""
        remove_replica(copy)
        engine = self._engines[copy.engine.name]
        engine.lost_loads += 1
        if engine.lost_loads >= LOST_LOADS:
            engine.lost_loads = 0
            self._fail(copy, "its slot's process died while it was loading")

    def _fail(self, copy: Replica, reason: str) -> None:
        """Only this engine: the others go on, and it is tried again after a while."""
        remove_replica(copy)
        engine = self._engines[copy.engine.name]
        engine.failures += 1
        engine.failed_in_a_row += 1
        engine.failed = reason
        doubled = self._config.retry_load_s * 2.0 ** min(engine.failed_in_a_row - 1, 20)
        wait_s = min(doubled, self._config.retry_load_max_s)
        engine.book.retry_at = time.monotonic() + wait_s
        self._say(f"{engine.name} could not be loaded: {reason}")
        if not engine.book.resident:  # Else another copy serves them.
            engine.reject(lambda: unavailable(engine, wait_s))

    def _does(self, slot: HostedSlot, what: str) -> None:
        slot.doing, slot.doing_since = what, time.monotonic()


def unavailable(engine: HostedEngine, retry_after_s: float | None) -> ExpertUnavailable:
    """The error of everybody who asks for an engine that failed to load."""
    return ExpertUnavailable(
        f"Expert {engine.name} could not be loaded: {engine.failed}",
        expert=engine.name,
        retry_after_s=retry_after_s,
    )


def clear_slot(slot: SlotState) -> list[Replica]:
    """Strike out everything that lay in a slot that died; returns it."""
    copies = list(slot.copies)
    for copy in copies:
        remove_replica(copy)
    slot.asleep.clear()
    return copies
