"""Leases on experts: queue, load what is missing, survive the death of a slot."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from experts.errors import ExpertOverloaded, ExpertUnavailable, ServiceError
from experts.openai import Endpoint, OpenAIEngine
from experts.spec import OpenAISpec, VllmSpec
from orchestrator.config import Config
from orchestrator.residency import place
from orchestrator.residents import EngineState, SlotState, engine_states
from orchestrator.slots import Slot, SlotLost


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send one request to an expert, and what getting it took."""

    engine: OpenAIEngine
    queue_ms: float
    load_ms: float
    slot: str | None = None


@dataclass(slots=True)
class _Gate:
    """Bounds the requests of one expert that are under way and that wait."""

    permits: asyncio.Semaphore
    max_queued: int
    queued: int = 0


class ExpertPool:
    """Every expert of the configuration, hosted or remote, behind `lease`."""

    def __init__(
        self,
        config: Config,
        slots: list[Slot],
        client: httpx.AsyncClient,
        on_event: Callable[[str], None],
    ) -> None:
        self._config = config
        self._client = client
        self._say = on_event
        self._slots = [SlotState(slot, config.slots.memory_gb) for slot in slots]
        self._engines = engine_states(config.hosted(), config.slots.engine_args)
        self._gates = {
            name: _Gate(asyncio.Semaphore(spec.max_in_flight), spec.max_queued)
            for name, spec in config.experts.items()
        }
        self._placing = asyncio.Lock()
        self._watchers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Bring every slot up, then load what should be resident. Raises ServiceError."""
        await asyncio.gather(*map(self._bring_up, self._slots))
        self._watchers = [asyncio.create_task(self._watch(state)) for state in self._slots]
        for name, engine in self._engines.items():
            if self._wanted_at_start(name, engine):
                await self._ensure(name, engine)

    async def stop(self) -> None:
        """End the watchers and the slots' processes."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        await asyncio.gather(*(state.slot.stop() for state in self._slots))

    @asynccontextmanager
    async def lease(self, expert: str) -> AsyncIterator[Lease]:
        """Wait for a turn, load the expert if need be, and hold it until the context ends.

        Raises ExpertOverloaded when its queue is full, ExpertUnavailable when it can not load.
        """
        gate = self._gates[expert]
        if gate.permits.locked() and gate.queued >= gate.max_queued:
            raise ExpertOverloaded(
                f"{gate.queued} requests wait for expert {expert} already.", expert=expert
            )
        started = time.perf_counter()
        gate.queued += 1
        try:
            await gate.permits.acquire()
        finally:
            gate.queued -= 1
        try:
            queue_ms = 1000 * (time.perf_counter() - started)
            async with self._hold(expert, queue_ms) as lease:
                yield lease
        finally:
            gate.permits.release()

    async def suspect(self, lease: Lease) -> None:
        """A request failed below HTTP: find out whether its slot or its engine is gone."""
        state = next((s for s in self._slots if s.slot.id == lease.slot), None)
        if state is None or not state.up.is_set():
            return
        try:
            await state.slot.memory_gb()
        except (SlotLost, TimeoutError):
            state.up.clear()  # The watcher sets it once the process is back.
            self._forget(state)
            return
        engine = self._engines[self._base_of(lease.engine.name)]
        await self._replace_broken(state, engine)

    def expert_url(self, expert: str) -> str | None:
        """Where an expert answers right now (ends with /v1); None when it is not resident."""
        spec = self._config.experts[expert]
        if isinstance(spec, OpenAISpec):
            return spec.base_url
        engine = self._engines[self._base_of(expert)]
        return f"{engine.slot.url}/e/{expert}/v1" if engine.ready and engine.slot else None

    def snapshot(self) -> dict[str, Any]:
        """Slots, residents, queues and loads as plain JSON."""
        engines = list(self._engines.values())
        slots = [
            {
                "id": state.slot.id,
                "up": state.up.is_set(),
                "memory_gb": round(state.used_gb, 3),
                "budget_gb": state.budget_gb,
                "restarts": state.restarts,
                "running": state.running,
                "residents": [n for e in engines if e.slot is state for n in e.load.experts],
            }
            for state in self._slots
        ]
        loads = {
            name: {"count": e.loads, "seconds": round(e.load_seconds, 3), "memory_gb": e.memory_gb}
            for name, e in self._engines.items()
        }
        queued = {name: gate.queued for name, gate in self._gates.items()}
        return {"slots": slots, "loads": loads, "queued": queued}

    async def refresh(self) -> None:
        """Ask every slot that is up how much memory it holds and what runs in it."""
        for state in self._slots:
            if state.up.is_set():
                state.used_gb = await state.slot.memory_gb()
                state.running = await state.slot.running()

    @asynccontextmanager
    async def _hold(self, expert: str, queue_ms: float) -> AsyncIterator[Lease]:
        spec = self._config.experts[expert]
        if isinstance(spec, OpenAISpec):
            endpoint = Endpoint(expert, spec.base_url, spec.model, spec.api_key, spec.timeout_s)
            yield Lease(OpenAIEngine(endpoint, self._client), queue_ms, 0.0)
            return
        name = self._base_of(expert)
        engine = self._engines[name]
        started = time.perf_counter()
        loaded = await self._ensure(name, engine)
        engine.acquire(time.monotonic())
        load_ms = 1000 * (time.perf_counter() - started) if loaded else 0.0
        slot = engine.slot
        try:
            if slot is None:
                raise ExpertUnavailable(f"Expert {expert} lost its slot.", expert=expert)
            endpoint = Endpoint(expert, f"{slot.url}/e/{expert}/v1", expert)
            yield Lease(OpenAIEngine(endpoint, self._client), queue_ms, load_ms, slot.slot.id)
        finally:
            engine.release(time.monotonic())

    async def _ensure(self, name: str, engine: EngineState) -> bool:
        """Return once `engine` is ready, and whether that took a load.

        The load is a task of its own, shared by all who wait: a client that gives up does not
        leave a half-known engine behind. Nothing is awaited after the last check, so a caller
        that counts itself in at once can not be overtaken by an eviction.
        """
        loaded = False
        while not engine.ready:
            if engine.loading is None or engine.loading.done():
                engine.loading = asyncio.create_task(self._load(name, engine))
                engine.loading.add_done_callback(_retrieve)
            loaded = True
            await asyncio.shield(engine.loading)
        return loaded

    async def _load(self, name: str, engine: EngineState) -> None:
        state = await self._make_room(name, engine)
        try:
            report = await state.slot.load(engine.load)
            state.used_gb = await state.slot.memory_gb()
        except (SlotLost, TimeoutError) as error:
            raise ExpertUnavailable(
                f"Expert {name} could not be loaded: slot {state.slot.id} was lost meanwhile.",
                expert=name,
            ) from error
        except RuntimeError as error:
            raise ExpertUnavailable(
                f"Expert {name} could not be loaded: {error}", expert=name
            ) from error
        finally:
            state.reserved_gb -= engine.memory_gb
        engine.slot, engine.ready = state, True
        engine.loads += 1
        engine.load_seconds = report.seconds
        spec = self._config.experts[name]
        if isinstance(spec, VllmSpec) and spec.memory_gb is None and report.memory_gb > 0:
            engine.memory_gb = report.memory_gb
        self._say(
            f"{state.slot.id}: {', '.join(engine.load.experts)} loaded in {report.seconds:.1f} s"
        )

    async def _make_room(self, name: str, engine: EngineState) -> SlotState:
        """Choose a slot, evict what must leave, and reserve the memory there."""
        async with self._placing:
            if not any(state.up.is_set() for state in self._slots):
                await asyncio.gather(*(state.up.wait() for state in self._slots))
            engines = list(self._engines.values())
            views = [state.view(engines) for state in self._slots if state.up.is_set()]
            placement = place(engine.memory_gb, views)
            if placement is None:
                raise ExpertUnavailable(
                    f"Expert {name} needs {engine.memory_gb:.2f} GB, more than any slot has left.",
                    expert=name,
                    hint="Raise slots.memory_gb.",
                )
            state = next(s for s in self._slots if s.slot.id == placement.slot)
            for leaving in placement.evict:
                await self._evict(self._engines[leaving])
            state.reserved_gb += engine.memory_gb
            return state

    async def _evict(self, engine: EngineState) -> None:
        """Drain, then drop. Requests that come meanwhile wait for `_placing` and load it again."""
        engine.ready = False
        await engine.idle.wait()
        state = engine.slot
        if state is None:
            return
        try:
            seconds = await state.slot.unload(engine.load.expert)
            state.used_gb = await state.slot.memory_gb()
        except SlotLost:
            return  # It took everything with it: nothing is left to drop.
        finally:
            engine.forget()
        self._say(f"{state.slot.id}: {engine.load.expert} left in {seconds:.2f} s")

    async def _replace_broken(self, state: SlotState, engine: EngineState) -> None:
        async with self._placing:
            if engine.slot is state and engine.ready and not await self._healthy(state, engine):
                await self._evict(engine)

    async def _bring_up(self, state: SlotState) -> None:
        started = time.perf_counter()
        try:
            state.url = await state.slot.start()
        except (SlotLost, TimeoutError, RuntimeError) as error:
            raise ServiceError(
                f"Slot {state.slot.id} did not start: {error or type(error).__name__}.",
                hint="Does Ray have the CPUs and GPUs that `slots` asks for?",
            ) from error
        state.used_gb = await state.slot.memory_gb()
        state.up.set()
        self._say(f"{state.slot.id}: engine process ready in {time.perf_counter() - started:.1f} s")

    async def _watch(self, state: SlotState) -> None:
        """Whenever the slot's process dies: forget its residents, restart it, load them again."""
        while True:
            await state.slot.lost()
            state.up.clear()
            state.restarts += 1
            self._say(f"{state.slot.id}: process lost, restarting")
            residents = self._forget(state)
            try:
                await self._bring_up(state)
                for engine in residents:
                    await self._ensure(engine.load.expert, engine)
            except (ServiceError, ExpertUnavailable) as error:
                self._say(f"{state.slot.id}: {error}")

    def _forget(self, state: SlotState) -> list[EngineState]:
        residents = [engine for engine in self._engines.values() if engine.slot is state]
        for engine in residents:
            engine.forget()
        return residents

    async def _healthy(self, state: SlotState, engine: EngineState) -> bool:
        url = f"{state.url}/e/{engine.load.expert}/health"
        try:
            return (await self._client.get(url, timeout=5.0)).status_code == 200
        except httpx.TransportError:
            return False

    def _base_of(self, expert: str) -> str:
        spec = self._config.experts[expert]
        return (isinstance(spec, VllmSpec) and spec.adapter_of) or expert

    def _wanted_at_start(self, name: str, engine: EngineState) -> bool:
        spec = self._config.experts[name]
        if isinstance(spec, VllmSpec) and spec.preload:
            return True
        fits = any(s.budget_gb - s.used_gb >= engine.memory_gb for s in self._slots)
        return self._config.slots.preload and fits


def _retrieve(task: "asyncio.Task[None]") -> None:
    """Every waiter gets the error; when all have left, nobody needs to hear of it."""
    if not task.cancelled():
        task.exception()
