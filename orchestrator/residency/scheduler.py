"""Experts in our own slots: requests queue by engine, and the policy says what to load."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from experts.errors import ExpertOverloaded, ExpertUnavailable
from experts.spec import HostedSpec
from orchestrator.config.model import SlotsConfig
from orchestrator.residency.canary import Canary
from orchestrator.residency.costs import CostEstimates
from orchestrator.residency.lru_baseline import LruBaseline
from orchestrator.residency.policy import Move, Policy, Rules, decide
from orchestrator.residency.queues import (
    HostedEngine,
    HostedSlot,
    Waiter,
    engine_loads,
    estimate_gb,
)
from orchestrator.residency.slot import Slot
from orchestrator.residency.state import Costs, EngineState, Phase, Replica, SlotState
from orchestrator.residency.supervisor import Supervisor
from orchestrator.residency.transitions import Transitions, unavailable
from orchestrator.store import Store

HEALTH_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request may run, and what getting there took."""

    expert: str
    url: str
    slot: str
    copy: Replica
    began: float
    queue_ms: float = 0.0
    load_ms: float = 0.0


class Scheduler:
    """The experts that our slots run. `acquire` is the one way to use one."""

    def __init__(
        self,
        specs: dict[str, HostedSpec],
        config: SlotsConfig,
        slots: list[Slot],
        client: httpx.AsyncClient,
        store: Store,
        on_event: Callable[[str], None],
        policy: Policy = decide,
    ) -> None:
        self._specs = specs
        self._config = config
        self._client = client
        self._policy = policy
        self._rules = Rules(config.stage_loads, config.rate_window_s)
        self._slots = [
            HostedSlot(slot, SlotState(slot.id, config.memory_gb, load_blocks=slot.load_blocks))
            for slot in slots
        ]
        self._engines = {
            name: self._engine(name, load, store, on_event)
            for name, load in engine_loads(specs, config.engine_args).items()
        }
        self._waiting: set[HostedEngine] = set()
        self._shadow = LruBaseline(0.0)
        self._replan_handle: asyncio.Handle | None = None
        self._deciding = False
        canary = Canary(client, config.canary_tokens, config.load_timeout_s)
        by_id = {slot.slot.id: slot for slot in self._slots}
        self._mover = Transitions(self._engines, by_id, config, canary, on_event, self._changed)
        self._care = Supervisor(self._slots, on_event, self._reload, self._changed)

    def _engine(
        self, name: str, load: Any, store: Store, on_event: Callable[[str], None]
    ) -> HostedEngine:
        spec, costs = self._specs[name], Costs()
        limits = {expert: self._specs[expert].max_in_flight for expert in load.experts}
        book = EngineState(
            name,
            spec.memory_gb or estimate_gb(load),
            max_in_flight=sum(limits.values()),
            pinned=spec.pin,
            max_idle_s=spec.max_idle_s or math.inf,
            costs=costs,
        )
        estimates = CostEstimates(name, costs, store, on_event)
        return HostedEngine(load, book, estimates, limits, measure_gb=spec.memory_gb is None)

    async def start(self) -> None:
        """Bring every slot up, then load what should be resident.

        Raises ServiceError, or ExpertUnavailable where a load fails.
        """
        await asyncio.gather(*(engine.estimates.recall() for engine in self._engines.values()))
        await self._care.start()
        room = [slot.book.budget_gb - slot.base_gb for slot in self._slots]
        self._shadow = LruBaseline(sum(room))
        plan = self._plan_preload(room)
        await asyncio.gather(*(self._preload(slot, plan[slot.slot.id]) for slot in self._slots))
        self._deciding = True
        self._changed()

    async def stop(self) -> None:
        """End what is under way, and the slots' processes."""
        self._deciding = False
        if self._replan_handle is not None:
            self._replan_handle.cancel()
        await self._mover.stop()
        for engine in self._engines.values():
            engine.failed = "the service stops"
            engine.reject(lambda engine=engine: unavailable(engine, None))  # type: ignore[misc]
        await asyncio.gather(*(engine.estimates.keep() for engine in self._engines.values()))
        await self._care.stop()

    async def acquire(self, expert: str, max_wait_s: float | None) -> Place:
        """Wait for a turn in a copy of the expert; the place must be released.

        `max_wait_s` is the age bound of the request's class. Raises ExpertOverloaded when the
        queue is full, ExpertUnavailable when the expert cannot be loaded.
        """
        engine, now = self._engine_of(expert), time.monotonic()
        engine.book.arrived(now, self._rules.rate_window_s)
        self._shadow.request(engine.name, engine.book.memory_gb)
        copy = None if engine.lines[expert] else engine.admitting(expert)
        if copy is not None:
            return self._place(expert, engine.begin(expert, copy, now), now)
        self._refuse(engine, expert, now)
        bound = math.inf if max_wait_s is None else max_wait_s
        future: asyncio.Future[Replica] = asyncio.get_running_loop().create_future()
        waiter = Waiter(expert, now, now + bound, future)
        engine.enqueue(waiter)
        self._waiting.add(engine)
        self._changed()
        try:
            copy = await future
        except asyncio.CancelledError:
            self._give_up(engine, waiter)
            raise
        began = time.monotonic()
        load_s = max(0.0, copy.since - max(now, engine.load_began))
        return self._place(expert, copy, began, 1000 * (began - now - load_s), 1000 * load_s)

    def release(self, place: Place) -> None:
        """A request is over."""
        now = time.monotonic()
        self._engine_of(place.expert).estimates.measured("service_s", now - place.began)
        self._free(place.expert, place.copy, now)

    def _free(self, expert: str, copy: Replica, now: float) -> None:
        engine = self._engine_of(expert)
        copy.in_use -= 1
        copy.last_used = now
        engine.in_use[expert] -= 1
        if copy.phase is Phase.DRAINING and not copy.in_use:
            self._slot_of(copy).drained.set()
        elif self._waiting:
            waited = engine.book.waiting
            if waited:
                engine.serve(now)
            # It may leave now: nobody uses it, or at least nobody waits for it any more.
            if copy.idle or (waited and not engine.book.waiting):
                self._changed()
        elif copy.idle and engine.book.max_idle_s < math.inf:
            self._changed()

    async def suspect(self, expert: str, slot_id: str) -> None:
        """A request failed below HTTP: find out whether the slot or the engine is gone."""
        slot = next(s for s in self._slots if s.slot.id == slot_id)
        if await self._care.gone(slot):
            return
        name = self._engine_of(expert).name
        copy = next((c for c in slot.book.copies if c.engine.name == name), None)
        if copy is None or await self._healthy(slot, name):
            return
        # Not while it moves, and not once it is gone.
        still = copy in slot.book.copies and copy.phase is Phase.READY
        if still and slot.book.up and not slot.book.moving:
            self._mover.begin(Move(slot.book, (copy,), None, "not healthy"), may_sleep=False)

    async def refresh(self) -> None:
        """Ask every slot that is up how much memory it holds and what runs in it."""
        await self._care.refresh()

    def url(self, expert: str) -> str | None:
        """Where the expert answers right now; None while it is not resident."""
        copies = self._engine_of(expert).book.copies
        ready = (copy for copy in copies if copy.phase is Phase.READY)
        copy = next(ready, None)
        return None if copy is None else f"{self._slot_of(copy).url}/e/{expert}"

    def delay_s(self, expert: str) -> float:
        """Predicted seconds until a request could begin: 0 while a copy is ready."""
        book, now = self._engine_of(expert).book, time.monotonic()
        if any(copy.phase is Phase.READY for copy in book.copies):
            return 0.0
        moves_s = [slot.book.move_s(book) for slot in self._slots]
        load_s = min(moves_s, default=book.costs.load_s)
        if book.copies:
            load_s = max(0.0, load_s - (now - self._engine_of(expert).load_began))
        return load_s + max(0.0, book.retry_at - now)

    def doing(self, expert: str) -> str:
        """What keeps a request to the expert waiting, in a few words."""
        engine, now = self._engine_of(expert), time.monotonic()
        for slot in self._slots:
            if slot.doing and any(copy.engine is engine.book for copy in slot.book.copies):
                return f"{slot.doing} {now - slot.doing_since:.1f}s"
        waited_s = now - min(engine.book.oldest, now)
        return f"{expert} waits for its turn {waited_s:.1f}s"

    def queued(self) -> dict[str, int]:
        """Expert -> requests that wait for it."""
        return {n: len(line) for e in self._engines.values() for n, line in e.lines.items()}

    def snapshot(self) -> dict[str, Any]:
        """Slots with what lies in them, and engines with what they have cost, as plain JSON."""
        now = time.monotonic()
        return {
            "slots": [_show_slot(slot, self._engines, now) for slot in self._slots],
            "loads": {
                name: _show_engine(engine, self._shadow.loads.get(name, 0), now)
                for name, engine in self._engines.items()
            },
        }

    # Deciding.

    def _changed(self) -> None:
        """Ask the policy again, once for all that changes in this turn of the event loop."""
        if not self._deciding:
            return
        if self._replan_handle is not None:
            self._replan_handle.cancel()
        self._replan_handle = asyncio.get_running_loop().call_soon(self._replan)

    def _replan(self) -> None:
        self._replan_handle = None
        now = time.monotonic()
        for engine in tuple(self._waiting):
            engine.serve(now)
            if not engine.book.waiting:
                self._waiting.discard(engine)
        books = [engine.book for engine in self._waiting]
        verdict = self._policy([slot.book for slot in self._slots], books, now, self._rules)
        for move in verdict.moves:
            self._mover.begin(move)
        if verdict.recheck_at < math.inf:
            loop = asyncio.get_running_loop()
            delay_s = max(0.0, verdict.recheck_at - time.monotonic())
            self._replan_handle = loop.call_later(delay_s, self._replan)

    def _refuse(self, engine: HostedEngine, expert: str, now: float) -> None:
        """Raise for a request that would wait in vain."""
        line, queued = engine.lines[expert], self._specs[expert].max_queued
        if len(line) + engine.in_use[expert] >= engine.limit(expert) + queued:
            raise ExpertOverloaded(
                f"{len(line)} requests wait for expert {expert} already.", expert=expert
            )
        if engine.book.resident:
            return
        if engine.failed is not None and engine.book.retry_at > now:
            raise unavailable(engine, engine.book.retry_at - now)
        if not any(self._room_gb(slot, engine) >= engine.book.memory_gb for slot in self._slots):
            raise _too_large(engine)

    def _room_gb(self, slot: HostedSlot, engine: HostedEngine) -> float:
        """What a slot could offer an engine if all that may leave had left."""
        others = (copy.engine for copy in slot.book.copies if copy.engine is not engine.book)
        pinned_gb = sum(other.memory_gb for other in others if other.pinned)
        return slot.book.budget_gb - slot.base_gb - pinned_gb

    def _give_up(self, engine: HostedEngine, waiter: Waiter) -> None:
        """A client left the queue, perhaps in the very moment that its turn came."""
        if waiter.granted.done() and not waiter.granted.cancelled():
            if waiter.granted.exception() is None:
                self._free(waiter.expert, waiter.granted.result(), time.monotonic())
            return
        engine.leave(waiter)
        self._changed()

    # Loading without being asked.

    def _plan_preload(self, room: list[float]) -> dict[str, list[HostedEngine]]:
        """Slot -> what to load there: first what must be there, then what still fits."""
        plan: dict[str, list[HostedEngine]] = {slot.slot.id: [] for slot in self._slots}
        asked = {name: self._specs[name].preload or self._specs[name].pin for name in self._engines}
        for name in sorted(self._engines, key=lambda name: not asked[name]):
            engine, best = self._engines[name], max(range(len(room)), key=room.__getitem__)
            fits = room[best] >= engine.book.memory_gb
            if asked[name] and not fits:
                raise _too_large(engine)
            if fits and (asked[name] or self._config.preload):
                room[best] -= engine.book.memory_gb
                plan[self._slots[best].slot.id].append(engine)
        return plan

    async def _preload(self, slot: HostedSlot, engines: list[HostedEngine]) -> None:
        for engine in engines:
            if slot.restarts or not slot.up.is_set():
                return  # Its watcher moves there now; the rest comes when it is asked for.
            await self._mover.begin(Move(slot.book, (), engine.book, "preload"))
            if engine.failed is not None:
                raise unavailable(engine, None)

    async def _reload(self, slot: HostedSlot, held: list[Replica]) -> None:
        """What a slot held before it died, as far as nobody else has it by now."""
        for book in sorted({copy.engine for copy in held}, key=lambda b: (-b.waiting, b.name)):
            fits = slot.book.free_gb >= book.memory_gb and book.retry_at <= time.monotonic()
            if not slot.up.is_set() or book.copies or not fits:
                continue
            await self._mover.begin(Move(slot.book, (), book, "was here before"))

    async def _healthy(self, slot: HostedSlot, engine: str) -> bool:
        try:
            url = f"{slot.url}/e/{engine}/health"
            return (await self._client.get(url, timeout=HEALTH_TIMEOUT_S)).status_code == 200
        except httpx.TransportError:
            return False

    def _place(
        self, expert: str, copy: Replica, began: float, queue_ms: float = 0.0, load_ms: float = 0.0
    ) -> Place:
        slot = self._slot_of(copy)
        url = f"{slot.url}/e/{expert}"
        return Place(expert, url, slot.slot.id, copy, began, queue_ms, load_ms)

    def _slot_of(self, copy: Replica) -> HostedSlot:
        return next(slot for slot in self._slots if slot.book is copy.slot)

    def _engine_of(self, expert: str) -> HostedEngine:
        return self._engines[self._specs[expert].base or expert]


def _too_large(engine: HostedEngine) -> ExpertUnavailable:
    return ExpertUnavailable(
        f"Expert {engine.name} needs {engine.book.memory_gb:.2f} GB, more than any slot has left.",
        expert=engine.name,
        hint="Raise slots.memory_gb.",
    )


def _show_slot(slot: HostedSlot, engines: dict[str, HostedEngine], now: float) -> dict[str, Any]:
    ready = [copy.engine.name for copy in slot.book.copies if copy.phase is Phase.READY]
    resident = {copy.engine.name for copy in slot.book.copies}
    return {
        "id": slot.slot.id,
        "up": slot.up.is_set(),
        "memory_gb": round(slot.memory_gb, 3),
        "budget_gb": slot.book.budget_gb,
        "restarts": slot.restarts,
        "running": slot.running,
        "residents": [expert for name in ready for expert in engines[name].load.experts],
        "copies": [
            {"engine": c.engine.name, "phase": c.phase.value, "in_use": c.in_use}
            for c in slot.book.copies
        ],
        # In other slots it says only whose files are warm.
        "asleep": sorted(slot.book.asleep - resident) if slot.slot.sleeps else [],
        "doing": slot.doing and f"{slot.doing} {now - slot.doing_since:.1f} s",
    }


def _show_engine(engine: HostedEngine, first_come_loads: int, now: float) -> dict[str, Any]:
    book, costs = engine.book, engine.book.costs
    return {
        "count": engine.loads,
        "seconds": round(engine.load_seconds, 3),
        "memory_gb": round(book.memory_gb, 3),
        "experts": list(engine.load.experts),
        "waiting": book.waiting,
        "oldest_s": round(now - book.oldest, 3) if book.waiting else 0.0,
        "load_s": round(costs.load_s, 3),
        "wake_s": round(costs.wake_s, 3),
        "leave_s": round(costs.leave_s, 3),
        "service_s": round(costs.service_s, 3),
        "evictions": engine.evictions,
        "failures": engine.failures,
        "failed": engine.failed,
        "retry_in_s": round(max(0.0, book.retry_at - now), 1) if engine.failed else 0.0,
        "first_come_loads": first_come_loads,
        "saved": max(0, first_come_loads - engine.loads),
        "leaked_gb": round(engine.leaked_gb, 3),
    }
