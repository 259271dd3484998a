"""What the hosted experts do and cost right now, for whoever asks without a request."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experts.errors import ExpertError, ExpertUnavailable
from experts.spec import HostedSpec
from orchestrator.residency.changing.roster import Roster
from orchestrator.residency.engines import HostedEngine, HostedSlot
from orchestrator.residency.machine.effects import Refusal, Reject
from orchestrator.residency.machine.filling import Wanted, places
from orchestrator.residency.machine.state import EngineState, Phase, SlotState


class PoolView:
    """Reads engines and slots; changes nothing."""

    def __init__(
        self,
        specs: Mapping[str, HostedSpec],
        engines: Roster,
        slots: Mapping[str, HostedSlot],
        first_come: Callable[[], Mapping[str, int]],
    ) -> None:
        """`first_come`: engine -> what first come with LRU would have loaded by now."""
        self._specs = specs
        self.roster = self._engines = engines
        self._slots = slots
        self.first_come = first_come

    def serving(self, expert: str) -> HostedEngine | None:
        """The engine that answers for an expert: its own, or its base's; None when it has left."""
        return self._engines.serving(expert)

    def of(self, state: EngineState) -> HostedEngine:
        """An engine, which may be one that leaves, by its state."""
        return self._engines.of(state)

    def resident(self) -> dict[str, str]:
        """The engines that are loaded, or on their way in, each with a slot of it."""
        replicas = (r for e in self._engines.values() for r in e.state.replicas)
        return {r.engine.name: r.slot.id for r in replicas if r.phase is not Phase.DRAINING}

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
        engine = self.serving(expert)
        replicas = engine.state.replicas if engine is not None else ()
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
        engine, now = self.serving(expert), time.monotonic()
        if engine is None:
            return 0.0  # It is out of reach, and nobody waits for it.
        state = engine.state
        if any(replica.phase is Phase.READY for replica in state.replicas):
            return 0.0
        loads_s = [slot.state.load_s(state) for slot in self._slots.values()]
        load_s = min(loads_s, default=state.costs.load_s)
        if state.replicas:
            load_s = max(0.0, load_s - (now - max(r.entered for r in state.replicas)))
        return load_s + max(0.0, state.retry_at - now)

    def wait_s(self, expert: str) -> float:
        """Predicted seconds until all that wait for the expert now have begun."""
        engine = self.serving(expert)
        if engine is None:
            return 0.0
        rounds = engine.queue.queued[expert] / engine.queue.limit(expert)
        return self.delay_s(expert) + rounds * engine.state.costs.service_s

    def context_length(self, expert: str) -> int | None:
        """Tokens of its context: as it was loaded, or will be; None where that is not known."""
        engine = self.serving(expert)
        if engine is None:
            return None
        limits = engine.limits
        return engine.footprint.max_model_len if limits is None else limits.max_model_len

    def doing(self, expert: str) -> str:
        """What keeps a request to the expert waiting, in a few words."""
        engine, now = self.serving(expert), time.monotonic()
        if engine is None:
            return f"{expert} has left the pool"
        state = engine.state
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
            "slots": [slot.snapshot(self._engines.of, now) for slot in self._slots.values()],
            "loads": {n: e.snapshot(loads.get(n, 0), now) for n, e in self._engines.items()},
        }

    def failed(self) -> dict[str, str]:
        """Expert -> why the last load of its engine failed, or left it out, where it did."""
        engines = {n: e for e in self._engines.values() for n in e.load.experts}
        reasons = {name: e.state.failed or e.refused.get(name) for name, e in engines.items()}
        return {name: why for name, why in reasons.items() if why is not None}

    def plan_preload(
        self, slots: Sequence[SlotState], preload: bool
    ) -> tuple[list[tuple[SlotState, EngineState]], list[HostedEngine]]:
        """What to load where: first what must be there, then, with `preload`, what still fits.

        In slots that are up; those that are not get what fits nowhere else, for when they are.
        Returns beside the plan what must be there and does not fit.
        """
        asked = {name: self._specs[name].preload or self._specs[name].pin for name in self._engines}
        states = {name: engine.state for name, engine in self._engines.items()}
        wanted = [
            Wanted(name, state.memory_gb, asked[name])
            for name, state in states.items()
            if asked[name] or preload
        ]
        found = places(wanted, [slot.free_gb for slot in slots], [slot.up for slot in slots])
        plan = [(slots[number], states[name]) for name, number in found.items()]
        return plan, [self._engines[name] for name in asked if asked[name] and name not in found]

    def error(self, rejected: Reject) -> ExpertError:
        """Of a request that is not served."""
        expert = rejected.ticket.expert
        engine = self._engines.serving(expert)
        if engine is None or rejected.refusal is Refusal.GONE:
            return gone(expert)
        if rejected.refusal in (Refusal.QUEUE_FULL, Refusal.GAVE_WAY):
            gave_way = rejected.refusal is Refusal.GAVE_WAY
            return engine.overloaded(expert, self.wait_s(expert), gave_way=gave_way)
        if rejected.refusal is Refusal.TOO_LARGE:
            return engine.too_large()
        if rejected.refusal is Refusal.STOPPING:
            return ExpertUnavailable(
                f"The service stops, and expert {expert} is loaded no more.", expert=expert
            )
        return engine.unavailable(rejected.retry_after_s)


def gone(expert: str) -> ExpertUnavailable:
    """What a request is told that was on its way when its expert left."""
    return ExpertUnavailable(
        f"Expert {expert} is no longer in the pool: the configuration was changed.",
        expert=expert,
        hint="GET /v1/models lists what there is.",
    )
