"""Keeps hosted experts resident: loads what is asked for, evicts, brings dead slots back."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from experts.errors import ExpertUnavailable, ServiceError
from experts.spec import VllmSpec
from orchestrator.config import SlotsConfig
from orchestrator.residency import place
from orchestrator.residents import EngineState, SlotState, engine_states
from orchestrator.slots import Slot, SlotLost

RESTART_DELAY_S, RESTART_DELAY_MAX_S = 0.05, 5.0
HEALTH_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an acquired expert answers, and how long it had to be loaded for that."""

    url: str
    slot: str
    load_ms: float


class Hosting:
    """The experts that our slots run. `acquire` is the one way to use one."""

    def __init__(
        self,
        specs: dict[str, VllmSpec],
        config: SlotsConfig,
        slots: list[Slot],
        client: httpx.AsyncClient,
        on_event: Callable[[str], None],
    ) -> None:
        self._specs = specs
        self._config = config
        self._client = client
        self._say = on_event
        self._slots = [SlotState(slot, config.memory_gb) for slot in slots]
        self._engines = engine_states(specs, config.engine_args)
        self._placing = asyncio.Lock()
        self._load_ended = asyncio.Event()
        self._watchers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Bring every slot up, then load what should be resident.

        Raises ServiceError, or ExpertUnavailable where a load fails.
        """
        await asyncio.gather(*map(self._bring_up, self._slots))
        self._watchers = [asyncio.create_task(self._watch(state)) for state in self._slots]
        for name, engine in self._engines.items():
            if self._wanted_at_start(name, engine):
                await self._ensure(engine)

    async def stop(self) -> None:
        """End what is under way, and the slots' processes."""
        loading = [e.loading for e in self._engines.values() if e.loading is not None]
        for task in (*self._watchers, *loading):
            task.cancel()
        await asyncio.gather(*self._watchers, *loading, return_exceptions=True)
        await asyncio.gather(*(state.slot.stop() for state in self._slots))

    async def acquire(self, expert: str) -> Place:
        """Make the expert resident; it stays so until `release`."""
        engine = self._engine_of(expert)
        started = time.perf_counter()
        engine.waiting += 1
        try:
            loaded = await self._ensure(engine)
            engine.acquire(time.monotonic())
        finally:
            engine.waiting -= 1
        slot = engine.slot
        assert slot is not None, "a ready engine has a slot"
        load_ms = 1000 * (time.perf_counter() - started) if loaded else 0.0
        return Place(f"{slot.url}/e/{expert}", slot.slot.id, load_ms)

    def release(self, expert: str) -> None:
        """One that was acquired is no longer in use."""
        self._engine_of(expert).release(time.monotonic())

    async def suspect(self, expert: str, slot_id: str) -> None:
        """A request failed below HTTP: find out whether the slot or the engine is gone."""
        state = next(s for s in self._slots if s.slot.id == slot_id)
        restarts = state.restarts
        if not state.up.is_set():
            return
        try:
            await state.slot.memory_gb()
        except TimeoutError:
            return  # It is busy; if it were dead, its watcher would know.
        except SlotLost:
            if state.distrust(restarts):
                self._forget(state)
            return
        engine = self._engine_of(expert)
        async with self._placing:
            if engine.slot is state and engine.ready and not await self._healthy(state, engine):
                await self._evict(engine)

    async def refresh(self) -> None:
        """Ask every slot that is up how much memory it holds and what runs in it."""
        for state in self._slots:
            if state.up.is_set():
                with suppress(SlotLost, TimeoutError):  # The numbers from before stay.
                    state.used_gb = await state.slot.memory_gb()
                    state.running = await state.slot.running()

    def url(self, expert: str) -> str | None:
        """Where the expert answers right now; None while it is not resident."""
        engine = self._engine_of(expert)
        return f"{engine.slot.url}/e/{expert}" if engine.ready and engine.slot else None

    def snapshot(self) -> dict[str, Any]:
        """Slots with their residents, and loads per engine, as plain JSON."""
        engines = list(self._engines.values())
        return {
            "slots": [state.snapshot(engines) for state in self._slots],
            "loads": {name: engine.snapshot() for name, engine in self._engines.items()},
        }

    async def _ensure(self, engine: EngineState) -> bool:
        """Return once `engine` is ready, and whether that took a load.

        The load is a task of its own, shared by all who wait: a client that gives up does not
        leave a half-known engine behind. Nothing is awaited after the last check, so a caller
        that counts itself in at once can not be overtaken by an eviction.
        """
        loaded = False
        while not engine.ready:
            if engine.loading is None or engine.loading.done():
                engine.loading = asyncio.create_task(self._load(engine))
                engine.loading.add_done_callback(_retrieve)
            loaded = True
            await asyncio.shield(engine.loading)
        return loaded

    async def _load(self, engine: EngineState) -> None:
        name = engine.name
        try:
            try:
                await self._load_once(engine)
            except SlotLost:
                # Nobody has seen a token yet: once more, in another slot or when this one is back.
                await self._load_once(engine)
        except (SlotLost, TimeoutError, RuntimeError) as error:
            raise ExpertUnavailable(
                f"Expert {name} could not be loaded: {str(error) or 'it took too long'}",
                expert=name,
            ) from error

    async def _load_once(self, engine: EngineState) -> None:
        state = await self._make_room(engine)
        reserved, restarts = engine.memory_gb, state.restarts
        try:
            report = await state.slot.load(engine.load)
            state.used_gb = await state.slot.memory_gb()
        except SlotLost:
            state.distrust(restarts)
            raise
        finally:
            state.reserved_gb -= reserved
            self._load_ended.set()
        measured = report.memory_gb if self._specs[engine.name].memory_gb is None else 0.0
        engine.arrive(state, report.seconds, measured)
        self._say(
            f"{state.slot.id}: {', '.join(engine.load.experts)} loaded in {report.seconds:.1f} s"
        )

    async def _make_room(self, engine: EngineState) -> SlotState:
        """Choose a slot, evict what must leave, and reserve the memory there."""
        async with self._placing:
            while True:
                await self._any_slot_up()
                self._load_ended.clear()
                engines = list(self._engines.values())
                views = [state.view(engines) for state in self._slots if state.up.is_set()]
                placement = place(engine.memory_gb, views)
                if placement is not None:
                    break
                if not any(state.reserved_gb > 0 for state in self._slots):
                    raise ExpertUnavailable(
                        f"Expert {engine.name} needs {engine.memory_gb:.2f} GB, more than any slot"
                        " has left.",
                        expert=engine.name,
                        hint="Raise slots.memory_gb.",
                    )
                await self._load_ended.wait()  # What is being loaded can leave after it has served.
            state = next(s for s in self._slots if s.slot.id == placement.slot)
            for leaving in placement.evict:
                await self._evict(self._engines[leaving])
            state.reserved_gb += engine.memory_gb
            return state

    async def _any_slot_up(self) -> None:
        waits = [asyncio.create_task(state.up.wait()) for state in self._slots]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _evict(self, engine: EngineState) -> None:
        """Drain, then drop. Requests that come meanwhile wait for `_placing` and load it again."""
        while engine.waiting and engine.ready:
            await asyncio.sleep(0)  # Who waited for its load is about to be woken: let them in.
        engine.ready = False
        await engine.idle.wait()
        state = engine.slot
        if state is None:
            return
        try:
            seconds = await state.slot.unload(engine.name)
            state.used_gb = await state.slot.memory_gb()
        except SlotLost:
            return  # It took everything with it: nothing is left to drop.
        finally:
            engine.forget()
        self._say(f"{state.slot.id}: {engine.name} left in {seconds:.2f} s")

    async def _bring_up(self, state: SlotState) -> None:
        started = time.perf_counter()
        try:
            state.url = await state.slot.start()
            state.used_gb = await state.slot.memory_gb()
        except (SlotLost, TimeoutError, RuntimeError) as error:
            raise ServiceError(
                f"Slot {state.slot.id} did not start: {str(error) or 'it took too long'}.",
                hint="Does Ray have the CPUs and GPUs that `slots` asks for?",
            ) from error
        state.up.set()
        self._say(f"{state.slot.id}: engine process ready in {time.perf_counter() - started:.1f} s")

    async def _watch(self, state: SlotState) -> None:
        """Whenever the slot's process dies: forget its residents, restart it, load them again."""
        while True:
            await state.slot.lost()
            state.up.clear()
            state.restarts += 1
            self._say(f"{state.slot.id}: process lost, restarting")
            self._forget(state)
            await self._bring_back(state)
            residents, state.to_reload = state.to_reload, []
            for engine in residents:
                try:
                    await self._ensure(engine)
                except ExpertUnavailable as error:
                    self._say(f"{state.slot.id}: {error}")

    async def _bring_back(self, state: SlotState) -> None:
        delay_s = RESTART_DELAY_S
        while True:
            try:
                return await self._bring_up(state)
            except ServiceError as error:
                self._say(str(error))
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RESTART_DELAY_MAX_S)

    def _forget(self, state: SlotState) -> None:
        residents = [engine for engine in self._engines.values() if engine.slot is state]
        for engine in residents:
            engine.forget()
        state.to_reload += residents

    async def _healthy(self, state: SlotState, engine: EngineState) -> bool:
        url = f"{state.url}/e/{engine.name}/health"
        try:
            return (await self._client.get(url, timeout=HEALTH_TIMEOUT_S)).status_code == 200
        except httpx.TransportError:
            return False

    def _engine_of(self, expert: str) -> EngineState:
        return self._engines[self._specs[expert].adapter_of or expert]

    def _wanted_at_start(self, name: str, engine: EngineState) -> bool:
        fits = any(s.budget_gb - s.used_gb >= engine.memory_gb for s in self._slots)
        return self._specs[name].preload or (self._config.preload and fits)


def _retrieve(task: "asyncio.Task[None]") -> None:
    """Every waiter gets the error; when all have left, nobody needs to hear of it."""
    if not task.cancelled():
        task.exception()
