"""What the hosted experts do and cost right now, for whoever asks without a request."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experts.spec import HostedSpec
from orchestrator.residency.engines import HostedEngine, HostedSlot
from orchestrator.residency.machine.state import EngineState, Phase, SlotState


class PoolView:
    """Reads engines and slots; changes nothing."""

    def __init__(
        self,
        specs: Mapping[str, HostedSpec],
        engines: Mapping[str, HostedEngine],
        slots: Mapping[str, HostedSlot],
        first_come: Callable[[], Mapping[str, int]],
    ) -> None:
        """`first_come`: engine -> what first come with LRU would have loaded by now."""
        self._specs = specs
        self._engines = engines
        self._slots = slots
        self.first_come = first_come

    def engine_of(self, expert: str) -> HostedEngine:
        """The engine that answers for an expert: its own, or its base's."""
        return self._engines[self._specs[expert].base or expert]

    def slot(self, slot_id: str) -> HostedSlot:
        """One slot."""
        return self._slots[slot_id]

    def slots(self) -> Sequence[HostedSlot]:
        """All of them."""
        return tuple(self._slots.values())

    def engines(self) -> Sequence[HostedEngine]:
        """All engines."""
        return tuple(self._engines.values())

    def endpoint(self, expert: str) -> tuple[str, str | None] | None:
        """URL and token where the expert answers right now; None while it is not resident."""
        replicas = self.engine_of(expert).state.replicas
        ready = (replica for replica in replicas if replica.phase is Phase.READY)
        if (replica := next(ready, None)) is None:
            return None
        slot = self._slots[replica.slot.id]
        return f"{slot.url}/e/{expert}", slot.slot.token

    def slot_addresses(self) -> dict[str, tuple[str, str | None]]:
        """Slot -> URL and token of its HTTP API, where it is up."""
        up = ((name, slot) for name, slot in self._slots.items() if slot.state.up)
        return {name: (slot.url, slot.slot.token) for name, slot in up}

    def delay_s(self, expert: str) -> float:
        """Predicted seconds until a request could begin: 0 while a replica is ready."""
        state, now = self.engine_of(expert).state, time.monotonic()
        if any(replica.phase is Phase.READY for replica in state.replicas):
            return 0.0
        loads_s = [slot.state.load_s(state) for slot in self._slots.values()]
        load_s = min(loads_s, default=state.costs.load_s)
        if state.replicas:
            load_s = max(0.0, load_s - (now - max(r.entered for r in state.replicas)))
        return load_s + max(0.0, state.retry_at - now)

    def wait_s(self, expert: str) -> float:
        """Predicted seconds until all that wait for the expert now have begun."""
        engine = self.engine_of(expert)
        rounds = engine.queue.queued[expert] / engine.queue.limit(expert)
        return self.delay_s(expert) + rounds * engine.state.costs.service_s

    def context_length(self, expert: str) -> int | None:
        """Tokens of its context: as it was loaded, or will be; None where that is not known."""
        engine = self.engine_of(expert)
        limits = engine.limits
        return engine.footprint.max_model_len if limits is None else limits.max_model_len

    def doing(self, expert: str) -> str:
        """What keeps a request to the expert waiting, in a few words."""
        state, now = self.engine_of(expert).state, time.monotonic()
        for slot in self._slots.values():
            if slot.doing and any(replica.engine is state for replica in slot.state.replicas):
                return f"{slot.doing} {now - slot.doing_since:.1f}s"
        waited_s = now - min(state.oldest, now)
        return f"{expert} waits for its turn {waited_s:.1f}s"

    def queued(self) -> dict[str, int]:
        """Expert -> requests that wait for it."""
        return {n: count for e in self._engines.values() for n, count in e.queue.queued.items()}

    def snapshot(self) -> dict[str, Any]:
        """Slots with what is resident, and engines with what they have cost, as plain JSON."""
        now = time.monotonic()
        loads = self.first_come()
        return {
            "slots": [slot.snapshot(self._engines, now) for slot in self._slots.values()],
            "loads": {n: e.snapshot(loads.get(n, 0), now) for n, e in self._engines.items()},
        }

    def failed(self) -> dict[str, str]:
        """Expert -> why the last load of its engine failed, or left it out, where it did."""
        engines = {expert: self.engine_of(expert) for expert in self._specs}
        reasons = {name: e.state.failed or e.refused.get(name) for name, e in engines.items()}
        return {name: why for name, why in reasons.items() if why is not None}

    def plan_preload(
        self, slots: Sequence[SlotState], preload: bool
    ) -> tuple[list[tuple[SlotState, EngineState]], list[HostedEngine]]:
        """What to load where: first what must be there, then, with `preload`, what still fits.

        Returns beside the plan what must be there and does not fit.
        """
        plan: list[tuple[SlotState, EngineState]] = []
        too_large: list[HostedEngine] = []
        room = {slot.id: slot.free_gb for slot in slots}
        asked = {name: self._specs[name].preload or self._specs[name].pin for name in self._engines}
        for name in sorted(self._engines, key=lambda name: not asked[name]):
            engine, best = self._engines[name], max(slots, key=lambda slot: room[slot.id])
            fits = room[best.id] >= engine.state.memory_gb
            if asked[name] and not fits:
                too_large.append(engine)
            if fits and (asked[name] or preload):
                room[best.id] -= engine.state.memory_gb
                plan.append((best, engine.state))
        return plan, too_large
