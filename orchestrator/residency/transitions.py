"""Carries out what the machine decides, in the slots' processes: drop, sleep, load, wake, check."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from experts.vllm.loads import LoadReport, UnloadReport
from experts.vllm.reasons import in_our_words
from orchestrator.config.model import SlotsConfig
from orchestrator.residency.canary import Canary, alike
from orchestrator.residency.changing.happenings import Happenings, Kind
from orchestrator.residency.changing.roster import Roster
from orchestrator.residency.cost_store import CostStore
from orchestrator.residency.engines import HostedEngine, HostedSlot
from orchestrator.residency.machine.effects import Effect, Forget, Load, MakeRoom, Unload
from orchestrator.residency.machine.machine import Machine
from orchestrator.residency.machine.policy import Transition
from orchestrator.residency.machine.state import Phase, Replica
from orchestrator.residency.slot import SlotLost, authorization

logger = logging.getLogger("coterie.residency")

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


class MemoryShort(RuntimeError):
    """The engine found too little memory to load."""


class Transitions:
    """Runs loads and unloads as tasks, and tells the machine how they ended."""

    def __init__(
        self,
        machine: Machine,
        engines: Roster,
        slots: Mapping[str, HostedSlot],
        config: SlotsConfig,
        canary: Canary,
        costs: CostStore,
        happenings: Happenings,
        say: Callable[[str], None],
        apply: Callable[[list[Effect]], None],
        lost: Callable[[HostedSlot, int], None],
    ) -> None:
        """`apply` does what the machine answers; `lost` learns which slot's process is dead."""
        self._machine = machine
        self._engines = engines
        self._slots = slots
        self._config = config
        self._canary = canary
        self._costs = costs
        self._happenings = happenings
        self._say = say
        self._apply = apply
        self._lost = lost
        self._tasks: dict[asyncio.Task[None], str | None] = {}
        """What is under way, each with its slot, if it has one."""

    def run(self, effect: Effect) -> None:
        """Begin to do what the machine says."""
        match effect:
            case Unload(replica, may_sleep):
                work = self._guarded(replica, lambda: self._unload(replica, may_sleep))
                self._start(work, replica.slot.id)
            case Load(replica, warm):
                work = self._guarded(replica, lambda: self._load(replica, warm))
                self._start(work, replica.slot.id)
            case Forget(slot, engine):
                self._start(self._forget(self._slots[slot.id], engine), slot.id)
            case MakeRoom(replica):
                name = replica.engine.name
                self._say(f"{replica.slot.id}: no memory for {name}; once more with others gone")

    async def stop(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def abandon(self, slot: HostedSlot) -> None:
        """Nobody reaches the slot: how it ended there is seen when somebody does again."""
        for task, where in self._tasks.items():
            if where == slot.slot.id:
                task.cancel()

    def _start(self, work: Coroutine[Any, Any, None], slot: str | None = None) -> None:
        task = asyncio.create_task(work)
        self._tasks[task] = slot
        task.add_done_callback(self._tasks.pop)

    async def _guarded(
        self, replica: Replica, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """A slot that dies takes all of it with it, perhaps before this has begun."""
        slot = self._slots[replica.slot.id]
        goings = slot.goings
        if replica not in slot.state.replicas:
            return
        try:
            await work()
        except SlotLost:
            self._lost(slot, goings)
        except Exception:
            logger.exception("%s: a transition of %s broke", slot.slot.id, replica.engine.name)

    # Leaving.

    def hasten(self, transition: Transition) -> None:
        """Let those that leave finish first, where engines take turns."""
        for replica in transition.leaving:
            if replica.in_use:
                self._start(self._hasten(replica), transition.slot.id)

    async def _hasten(self, replica: Replica) -> None:
        """It leaves in any case: if nobody hears this, later."""
        with suppress(SlotLost, TimeoutError, RuntimeError):
            await self._slots[replica.slot.id].slot.hasten(replica.engine.name)

    async def _unload(self, replica: Replica, may_sleep: bool) -> None:
        """Drop a replica that has drained, or put it to sleep."""
        slot, engine = self._slots[replica.slot.id], self._engines.of(replica.engine)
        slot.does(f"dropping {engine.name}", time.monotonic())
        try:
            report, level = await self._drop(slot, engine, may_sleep)
        except SlotLost:
            raise
        except Exception as error:
            reason = _words(error, f"{engine.name} could not be unloaded")
            self._say(f"{slot.slot.id}: {engine.name} could not leave: {reason}")
            self._apply(self._machine.unload_failed(replica, reason, time.monotonic()))
            return
        slot.memory_gb, seconds = report.memory_gb, report.seconds
        kept_gb = max(engine.taken_gb - (report.freed_gb or 0.0), 0.0)
        if replica.since:  # Else it is what a failed load has left behind.
            engine.evictions += 1
            engine.state.costs.measured("leave_s", seconds)
            if report.freed_gb is not None:
                self._check_freed(engine, kept_gb, level)
        verb = "sleeps" if level else "left"
        self._say(f"{slot.slot.id}: {engine.name} {verb} in {seconds:.2f} s")
        kind: Kind = "slept" if level else "left"
        self._happenings.note(kind, engine.name, slot.slot.id, seconds, slot.why)
        draining = [r.engine.name for r in slot.state.replicas if r.in_use and r is not replica]
        slot.does(f"draining {', '.join(draining)}", time.monotonic())
        self._apply(self._machine.left(replica, kept_gb if level else None))

    async def _drop(
        self, slot: HostedSlot, engine: HostedEngine, may_sleep: bool
    ) -> tuple[UnloadReport, int]:
        """What it took, and the level at which it sleeps; 0: it is gone."""
        level = self._level(slot, engine) if may_sleep else 0
        if level == 0:
            return await slot.slot.unload(engine.name), 0
        engine.levels[slot.slot.id] = level
        return await slot.slot.sleep(engine.name, level), level

    def _level(self, slot: HostedSlot, engine: HostedEngine) -> int:
        """How an engine sleeps here.

        Level 2 reads the weights again when it wakes, which not every model survives: the canary
        says whether this one does, and without a canary nobody would know.
        """
        level = self._config.sleep_level if slot.slot.sleeps else 0
        if level == 2 and (engine.reload_fails or not self._canary.wanted):
            level = 1
        if level != 1:
            return level
        sleepers = [self._engines[name] for name in slot.state.asleep if name in self._engines]
        host_gb = sum(e.state.memory_gb for e in sleepers if e.levels.get(slot.slot.id) == 1)
        return 1 if host_gb + engine.state.memory_gb <= self._config.host_memory_gb else 0

    async def _forget(self, slot: HostedSlot, name: str) -> None:
        """Drop an engine that sleeps."""
        goings = slot.goings
        slot.does(f"dropping {name}", time.monotonic())
        try:
            await slot.slot.unload(name)
        except SlotLost:
            return self._lost(slot, goings)
        except Exception as error:
            # If it is there still, the load that follows will find too little memory, and say so.
            self._say(f"{slot.slot.id}: {name} could not be dropped: {_words(error, name)}")
        self._apply(self._machine.forgotten(slot.state, name))

    async def _measure_gb(self, slot: HostedSlot) -> None:
        """Where the slot cannot tell, or is too busy, the number from before stays."""
        with suppress(TimeoutError, RuntimeError):
            slot.memory_gb = await slot.slot.memory_gb()

    def _check_freed(self, engine: HostedEngine, kept_gb: float, level: int) -> None:
        """An engine that sleeps keeps its context and graphs; one that is gone keeps nothing."""
        may_keep_gb = self._config.sleeping_gb if level else self._config.leak_tolerance_gb
        if kept_gb > may_keep_gb:
            engine.leaked_gb += kept_gb
            self._say(
                f"{engine.name} gave back {max(engine.taken_gb - kept_gb, 0.0):.2f} of"
                f" {engine.taken_gb:.2f} GB: the rest has leaked"
            )

    # Arriving.

    async def _load(self, replica: Replica, warm: bool) -> None:
        slot, engine = self._slots[replica.slot.id], self._engines.of(replica.engine)
        slot.does(f"loading {engine.name}", time.monotonic())
        started = time.perf_counter()
        try:
            report = await self._load_once(slot, engine, warm)
            await self._check_canary(slot, engine, replica, warm)
        except SlotLost:
            raise
        except MemoryShort as error:
            logger.warning("loading %s found too little memory: %s", engine.name, error)
            reason = in_our_words(str(error), engine.name) or str(error)
            self._apply(self._machine.memory_short(replica, reason, time.monotonic()))
        except Exception as error:
            self._fail(replica, error)
        else:
            self._open(replica, report, time.perf_counter() - started, warm)
            await self._measure_gb(slot)
            # A store that is slow holds no load up.
            self._start(self._costs.keep(engine.name, engine.state.costs))

    async def _load_once(self, slot: HostedSlot, engine: HostedEngine, warm: bool) -> LoadReport:
        try:
            if slot.slot.sleeps and warm:
                seconds = await slot.slot.wake(engine.name)
                return LoadReport(seconds, engine.taken_gb, refused=engine.refused)
            return await slot.slot.load(engine.load)
        except RuntimeError as error:
            if any(words in str(error).lower() for words in _OUT_OF_MEMORY):
                raise MemoryShort(str(error)) from error
            raise

    async def _check_canary(
        self, slot: HostedSlot, engine: HostedEngine, replica: Replica, warm: bool
    ) -> None:
        """The first load records the answer; later ones must repeat it, or load afresh."""
        if not self._canary.wanted or await self._answers_as_before(slot, engine, replica):
            return
        self._say(f"{slot.slot.id}: {engine.name} came back wrong and is loaded afresh")
        if warm and engine.levels.get(slot.slot.id) == 2:
            engine.reload_fails = True
            self._say(f"{engine.name} does not survive sleep level 2: from now on it uses level 1")
        await slot.slot.unload(engine.name)
        await slot.slot.load(engine.load)
        if not await self._answers_as_before(slot, engine, replica):
            await slot.slot.unload(engine.name)
            raise RuntimeError("its answer to a known prompt changed, also after a fresh load")

    async def _answers_as_before(
        self, slot: HostedSlot, engine: HostedEngine, replica: Replica
    ) -> bool:
        """Compare with its first answer; an engine that does not answer at all is dropped."""
        url, headers = f"{slot.url}/e/{engine.name}", authorization(slot.slot)
        try:
            ask = self._canary.embed if engine.embeds else self._canary.ask
            answer = await ask(url, engine.name, headers)
        except RuntimeError:
            if replica not in slot.state.replicas:
                raise SlotLost(f"Slot {slot.slot.id} lost its process meanwhile.") from None
            await slot.slot.unload(engine.name)  # Raises SlotLost where that is why.
            raise
        if engine.canary is None:
            engine.canary = answer
        return alike(engine.canary, answer)

    def _open(self, replica: Replica, report: LoadReport, seconds: float, warm: bool) -> None:
        slot, engine = self._slots[replica.slot.id], self._engines.of(replica.engine)
        if replica not in slot.state.replicas or replica.phase is not Phase.LOADING:
            return  # The slot died meanwhile.
        engine.state.costs.measured("wake_s" if warm else "load_s", seconds)
        engine.loads += 1
        engine.load_seconds = report.seconds
        engine.taken_gb = report.memory_gb
        engine.limits = report.limits or engine.limits
        self._leave_out(engine, report.refused)
        engine.measured(report.memory_gb)
        self._apply(self._machine.loaded(replica, time.monotonic()))
        names = ", ".join(e for e in engine.load.experts if e not in engine.refused)
        self._say(f"{slot.slot.id}: {names} loaded in {seconds:.1f} s{engine.shortened()}")
        kind: Kind = "woke" if warm and slot.slot.sleeps else "loaded"
        self._happenings.note(kind, engine.name, slot.slot.id, seconds, slot.why)

    def _leave_out(self, engine: HostedEngine, refused: Mapping[str, str]) -> None:
        """Note the adapters that an engine does not serve: their base, and others, are there."""
        meant = {name: in_our_words(raw, name) or raw for name, raw in refused.items()}
        for name, why in meant.items():
            if engine.refused.get(name) != why:
                self._say(f"{name} could not be loaded beside {engine.name}: {why}")
                logger.warning("adapter %s of %s failed: %s", name, engine.name, refused[name])
        engine.refused = meant

    def _fail(self, replica: Replica, error: Exception) -> None:
        """Only after an error of the engine's own is it known that nothing of it is left."""
        name = replica.engine.name
        raw = _words(error, f"{name} could not be loaded")
        node = self._slots[replica.slot.id].node
        reason = (f"on {node}: " if node else "") + (in_our_words(raw, name) or raw)
        gone = isinstance(error, RuntimeError)
        self._say(f"{name} could not be loaded: {reason}")
        seconds = time.monotonic() - replica.entered
        self._happenings.note("failed", name, replica.slot.id, seconds, reason)
        logger.warning("loading %s failed: %s", name, raw)
        self._apply(self._machine.load_failed(replica, reason, time.monotonic(), gone))


def _words(error: Exception, what: str) -> str:
    """The reason in a line; the traceback of an unexpected error goes to the log."""
    if isinstance(error, TimeoutError):
        return str(error) or "it took too long"
    if isinstance(error, RuntimeError):
        return str(error)
    logger.error(what, exc_info=error)
    return f"{type(error).__name__}: {error}"
