"""What the live pool knows of its engines and slots beside their state, and what it tells."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experts.errors import ExpertUnavailable
from experts.spec import HostedSpec, TorchSpec, VllmSpec
from experts.vllm.loads import EngineLoad
from orchestrator.residency.machine.queues import EngineQueue
from orchestrator.residency.machine.state import EngineState, Phase, SlotState
from orchestrator.residency.slot import Slot

GIB = float(1 << 30)
DEFAULT_KV_CACHE_BYTES = 64 << 20


@dataclass(slots=True, eq=False)
class HostedEngine:
    """One engine: what to load, its queue, and what has happened to it."""

    load: EngineLoad
    queue: EngineQueue
    measure_gb: bool = False
    """Whether its memory is measured, because it is not configured."""
    loads: int = 0
    load_seconds: float = 0.0
    evictions: int = 0
    leaked_gb: float = 0.0
    taken_gb: float = 0.0
    """What the last load took: what must be free again when it has left."""
    largest_gb: float = 0.0
    canary: str | None = None
    """Its first answer to the known prompt."""

    @property
    def name(self) -> str:
        """The base expert."""
        return self.load.expert

    @property
    def state(self) -> EngineState:
        """What the policy sees of it."""
        return self.queue.state

    def measured(self, memory_gb: float) -> None:
        """A load has taken `memory_gb`.

        In a process that had room left over from others it looks smaller than it is.
        """
        if self.measure_gb:
            self.largest_gb = max(memory_gb, self.largest_gb)
            self.state.memory_gb = max(self.largest_gb, estimate_gb(self.load) / 2)

    def unavailable(self, retry_after_s: float | None) -> ExpertUnavailable:
        """The error of every request for an engine that failed to load."""
        return ExpertUnavailable(
            f"Expert {self.name} could not be loaded: {self.state.failed}",
            expert=self.name,
            retry_after_s=retry_after_s,
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
            "oldest_s": round(now - state.oldest, 3) if state.waiting else 0.0,
            "load_s": round(costs.load_s, 3),
            "wake_s": round(costs.wake_s, 3),
            "leave_s": round(costs.leave_s, 3),
            "service_s": round(costs.service_s, 3),
            "evictions": self.evictions,
            "failures": state.failures,
            "failed": state.failed,
            "retry_in_s": round(max(0.0, state.retry_at - now), 1) if state.failed else 0.0,
            "first_come_loads": first_come_loads,
            "saved": max(0, first_come_loads - self.loads),
            "leaked_gb": round(self.leaked_gb, 3),
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
    doing: str | None = None
    doing_since: float = 0.0

    def does(self, what: str | None, now: float) -> None:
        """Note what it does, for people."""
        self.doing, self.doing_since = what, now

    def snapshot(self, engines: Mapping[str, HostedEngine], now: float) -> dict[str, Any]:
        """What it holds and does, as plain JSON."""
        replicas = self.state.replicas
        ready = [r.engine.name for r in replicas if r.phase is Phase.READY]
        resident = {r.engine.name for r in replicas}
        return {
            "id": self.slot.id,
            "up": self.state.up,
            "memory_gb": round(self.memory_gb, 3),
            "budget_gb": self.state.budget_gb,
            "restarts": self.restarts,
            "running": self.running,
            "residents": [expert for name in ready for expert in engines[name].load.experts],
            "replicas": [
                {"engine": r.engine.name, "phase": r.phase.value, "in_use": r.in_use}
                for r in replicas
            ],
            # In other slots it says only whose files are warm.
            "asleep": sorted(self.state.asleep - resident) if self.slot.sleeps else [],
            "doing": self.doing and f"{self.doing} {now - self.doing_since:.1f} s",
        }


def hosted_engines(
    specs: Mapping[str, HostedSpec], engine_args: Mapping[str, object]
) -> dict[str, HostedEngine]:
    """Base expert -> its engine, with nothing loaded yet."""
    return {
        name: _hosted_engine(load, specs) for name, load in engine_loads(specs, engine_args).items()
    }


def _hosted_engine(load: EngineLoad, specs: Mapping[str, HostedSpec]) -> HostedEngine:
    spec = specs[load.expert]
    limits = {expert: specs[expert].max_in_flight for expert in load.experts}
    state = EngineState(
        load.expert,
        spec.memory_gb or estimate_gb(load),
        max_in_flight=sum(limits.values()),
        pinned=spec.pin,
        max_idle_s=spec.max_idle_s or math.inf,
    )
    max_queued = {expert: specs[expert].max_queued for expert in load.experts}
    return HostedEngine(load, EngineQueue(state, limits, max_queued), spec.memory_gb is None)


def engine_loads(
    specs: Mapping[str, HostedSpec], default_args: Mapping[str, object]
) -> dict[str, EngineLoad]:
    """Base expert -> what to load; adapters ride along with their base."""
    loads: dict[str, EngineLoad] = {}
    for name, spec in specs.items():
        if isinstance(spec, TorchSpec):
            bound = {"max_num_seqs": spec.max_num_seqs}
            loads[name] = EngineLoad(name, spec.model, bound, kind="torch")
        elif isinstance(spec, VllmSpec) and spec.base is None:
            adapters = {n: s.model for n, s in specs.items() if s.base == name}
            args = {**default_args, **spec.engine_args}
            loads[name] = EngineLoad(name, spec.model, args, adapters)
    return loads


def estimate_gb(load: EngineLoad) -> float:
    """Weights (doubled: half-precision files may be served in float32) and KV cache, in GiB."""
    folder = Path(load.model)
    weights = sum(f.stat().st_size for f in folder.glob("*.safetensors")) if folder.is_dir() else 0
    cache = load.engine_args.get("kv_cache_memory_bytes")
    return (2 * weights + (cache if isinstance(cache, int) else DEFAULT_KV_CACHE_BYTES)) / GIB
