"""What the live pool knows of its engines and slots beside their state, and what it tells."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from experts.errors import ExpertOverloaded, ExpertUnavailable
from experts.footprint.device import Device
from experts.footprint.plan import Footprint
from experts.footprint.specs import (
    POOLING,
    SlotRoom,
    adapters_of,
    aliases_of,
    arguments,
    completed,
    footprint,
)
from experts.spec import HostedSpec, TorchSpec, VllmSpec
from experts.vllm.loads import EngineLoad, Limits, LoadReport
from orchestrator.config.model import SlotsConfig
from orchestrator.residency.canary import Song
from orchestrator.residency.machine.queues import EngineQueue
from orchestrator.residency.machine.state import EngineState, Phase, SlotState
from orchestrator.residency.slot import Held, Slot

IN_ORDER = {"scheduling_policy": "priority"}
"""VLLM lets those begin first, and stay where its cache is full, whose `priority` is lowest."""


@dataclass(slots=True, eq=False)
class HostedEngine:
    """One engine: what to load, its queue, and what has happened to it."""

    load: EngineLoad
    queue: EngineQueue
    footprint: Footprint
    measure_gb: bool = False
    """Whether its memory is measured, because it is not configured."""
    loads: int = 0
    load_seconds: float = 0.0
    evictions: int = 0
    leaked_gb: float = 0.0
    taken_gb: float = 0.0
    """What the last load took: what must be free again when it has left."""
    largest_gb: float = 0.0
    canary: Song | None = None
    """Its first answer to the known prompt."""
    limits: Limits | None = None
    levels: dict[str, int] = field(default_factory=dict)
    """Slot -> the level at which it last went to sleep there."""
    refused: dict[str, str] = field(default_factory=dict)
    """Adapter's expert -> why the last load of the engine left it out."""
    reload_fails: bool = False
    """Whether it once woke from level 2 with another answer."""

    @property
    def name(self) -> str:
        """The base expert."""
        return self.load.expert

    @property
    def state(self) -> EngineState:
        """What the policy sees of it."""
        return self.queue.state

    @property
    def embeds(self) -> bool:
        """Whether it gives embeddings, and no text."""
        return self.load.engine_args.get("runner") == POOLING

    def measured(self, memory_gb: float) -> None:
        """A load has taken `memory_gb`.

        In a process that had room left over from others it looks smaller than it is.
        """
        if self.measure_gb:
            self.largest_gb = max(memory_gb, self.largest_gb)
            # Untouched pages of a cache are not measured, but will be used.
            self.state.memory_gb = max(self.largest_gb, self.footprint.lasting_gb)

    def adopted(self, report: LoadReport) -> None:
        """It is there already, loaded by an earlier controller."""
        self.load_seconds, self.taken_gb = report.seconds, report.memory_gb
        self.limits, self.refused = report.limits or self.limits, dict(report.refused)
        self.measured(report.memory_gb)

    @property
    def memory_known(self) -> bool:
        """Whether its memory is configured or measured, and no estimate."""
        return not self.measure_gb or self.largest_gb > 0

    def shortened(self) -> str:
        """Words about a context that fell to what fits; none where it did not."""
        context, limits = self.footprint.context, self.limits
        # What embeds may read less than its model could, whatever the cache.
        if self.embeds or context is None or limits is None or limits.max_model_len >= context:
            return ""
        return (
            f", with a context of {limits.max_model_len:,} of the model's {context:,} tokens:"
            f" the KV cache of {self.footprint.kv_gb:.2f} GB holds no more"
        )

    def unavailable(self, retry_after_s: float | None) -> ExpertUnavailable:
        """The error of every request for an engine that failed to load."""
        return ExpertUnavailable(
            f"Expert {self.name} could not be loaded: {self.state.failed}",
            expert=self.name,
            retry_after_s=retry_after_s,
        )

    def overloaded(self, expert: str, wait_s: float, *, gave_way: bool) -> ExpertOverloaded:
        """The error of a request that finds no place in the queue, or loses it to another one."""
        words = f"{self.queue.queued[expert]} requests wait for expert {expert} already."
        if gave_way:
            words = f"Others that may wait less took its place before {expert}."
        return ExpertOverloaded(words, expert=expert, retry_after_s=wait_s)

    def left_out(self, expert: str) -> ExpertUnavailable:
        """The error of a request for an adapter of `refused`."""
        return ExpertUnavailable(
            f"Expert {expert} could not be loaded: {self.refused[expert]}",
            expert=expert,
            hint=f"It is tried again with the next load of {self.name}.",
        )

    def too_large(self) -> ExpertUnavailable:
        """The error of every request for an engine that no slot can hold."""
        return ExpertUnavailable(
            f"Expert {self.name} needs {self.state.memory_gb:.2f} GB, more than any slot has left.",
            expert=self.name,
            hint="Raise slots.memory_gb.",
        )

    def snapshot(self, first_come_loads: int, now: float) -> dict[str, Any]:
        """What it has cost, as plain JSON."""
        state, costs = self.state, self.state.costs
        return {
            "count": self.loads,
            "seconds": round(self.load_seconds, 3),
            "memory_gb": round(state.memory_gb, 3),
            "experts": list(self.load.experts),
            "waiting": state.waiting,
            "expected": state.expected,
            "oldest_s": round(now - state.oldest, 3) if state.waiting else 0.0,
            "load_s": round(costs.load_s, 3),
            "wake_s": round(costs.wake_s, 3),
            "leave_s": round(costs.leave_s, 3),
            "drain_s": round(costs.finishing_s, 3),
            "service_s": round(costs.service_s, 3),
            "share_s": round(costs.share_s, 6),
            "evictions": self.evictions,
            "pinned": state.pinned,
            "failures": state.failures,
            "failed": state.failed,
            "retry_in_s": round(max(0.0, state.retry_at - now), 1) if state.failed else 0.0,
            "first_come_loads": first_come_loads,
            "saved": max(0, first_come_loads - self.loads),
            "leaked_gb": round(self.leaked_gb, 3),
            "measured": sorted(costs.known | ({"memory_gb"} if self.memory_known else set())),
            "adapters": list(self.load.adapters),
            "roles": list(self.load.aliases),
            "refused": self.refused,
            "limits": asdict(self.limits) if self.limits else None,
        }


@dataclass(slots=True, eq=False)
class HostedSlot:
    """One slot: its state, its process, and where that serves."""

    slot: Slot
    state: SlotState
    url: str = ""
    memory_gb: float = 0.0
    running: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    cuts: int = 0
    """Times that nobody reached it."""
    reached: bool = True
    """Whether it answers, as far as is known."""
    wanted: bool = True
    """Whether its process is meant to run; else it is one more that there may be."""
    asks: int = 0
    """Times that it was wanted because requests waited."""
    asked_at: float = 0.0
    """When it was wanted, or has come up, last."""
    doing: str | None = None
    doing_since: float = 0.0
    why: str = ""
    """What its last transition was for."""
    found: Held = field(default_factory=Held)
    """What its process held when it came up."""

    @property
    def node(self) -> str | None:
        """The address of the cluster's node that it runs, or ran last, on; None on this machine."""
        return None if self.slot.token is None else urlsplit(self.url).hostname

    @property
    def whereabouts(self) -> str:
        """Words about the node; none on this machine."""
        return "" if self.node is None else f" on {self.node}"

    def begins(self, leaving: str, why: str, now: float) -> None:
        """A transition begins, for which the engines named leave first."""
        self.why = why
        self.does(leaving and f"draining {leaving}", now)

    @property
    def goings(self) -> int:
        """Times that all it held was lost, or out of reach: what was before is over."""
        return self.restarts + self.cuts

    def does(self, what: str | None, now: float) -> None:
        """Note what it does, for people."""
        self.doing, self.doing_since = what, now

    def snapshot(self, of: Callable[[EngineState], HostedEngine], now: float) -> dict[str, Any]:
        """What it holds and does, as plain JSON; `of` tells what is known of an engine."""
        replicas = self.state.replicas
        ready = [of(r.engine) for r in replicas if r.phase is Phase.READY]
        resident = {r.engine.name for r in replicas}
        return {
            "id": self.slot.id,
            "node": self.node,
            "up": self.state.up,
            "reached": self.reached,
            "wanted": self.wanted,
            "memory_gb": round(self.memory_gb, 3),
            "budget_gb": self.state.budget_gb,
            "room_gb": round(self.state.budget_gb - self.state.base_gb, 3),
            "restarts": self.restarts,
            "cuts": self.cuts,
            "asks": self.asks,
            "running": self.running,
            "residents": [
                expert
                for engine in ready
                for expert in engine.load.experts
                if expert not in engine.refused
            ],
            "replicas": [
                {"engine": r.engine.name, "phase": r.phase.value, "in_use": r.in_use}
                for r in replicas
            ],
            # In other slots it says only whose files are warm.
            "asleep": sorted(self.state.asleep.keys() - resident) if self.slot.sleeps else [],
            "doing": self.doing and f"{self.doing} {now - self.doing_since:.1f} s",
        }


def hosted_engines(
    specs: Mapping[str, HostedSpec], slots: SlotsConfig, device: Device
) -> dict[str, HostedEngine]:
    """Base expert -> its engine, with nothing loaded yet."""
    return {
        name: _hosted_engine(load, found, specs)
        for name, (load, found) in planned_loads(specs, slots, device).items()
    }


def _hosted_engine(
    load: EngineLoad, found: Footprint, specs: Mapping[str, HostedSpec]
) -> HostedEngine:
    spec = specs[load.expert]
    limits = {expert: specs[expert].max_in_flight for expert in load.experts}
    state = EngineState(
        load.expert,
        load.memory_gb,
        max_in_flight=sum(limits.values()),
        pinned=spec.pin,
        max_idle_s=spec.max_idle_s or math.inf,
    )
    max_queued = {expert: specs[expert].max_queued for expert in load.experts}
    queue = EngineQueue(state, limits, max_queued)
    return HostedEngine(load, queue, found, spec.memory_gb is None)


def planned_loads(
    specs: Mapping[str, HostedSpec], slots: SlotsConfig, device: Device
) -> dict[str, tuple[EngineLoad, Footprint]]:
    """Base expert -> what to load, and what that will take; adapters ride along with their base."""
    room = SlotRoom(slots.memory_gb, slots.kv_cache_share, device)
    loads: dict[str, tuple[EngineLoad, Footprint]] = {}
    for name, spec in specs.items():
        if spec.base is not None:
            continue
        found = footprint(name, specs, slots.engine_args, room)
        memory_gb = spec.memory_gb or found.total_gb
        if isinstance(spec, TorchSpec):
            bound = {"max_num_seqs": spec.max_num_seqs}
            load = EngineLoad(name, spec.model, bound, memory_gb=memory_gb, kind="torch")
        elif isinstance(spec, VllmSpec):
            args = IN_ORDER | completed(arguments(spec, slots.engine_args), found, device)
            adapters, aliases = adapters_of(name, specs), aliases_of(name, specs)
            load = EngineLoad(name, spec.model, args, adapters, aliases, memory_gb)
        else:
            continue
        loads[name] = (load, found)
    return loads
