"""The pool's books: what each slot and each engine is doing right now."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experts.spec import VllmSpec
from experts.vllm.loads import EngineLoad
from orchestrator.residency import ResidentView, SlotView
from orchestrator.slots import Slot

GIB = float(1 << 30)
DEFAULT_KV_CACHE_BYTES = 64 << 20


@dataclass(slots=True)
class SlotState:
    """One slot: its process, where it serves, and what its memory holds."""

    slot: Slot
    budget_gb: float
    url: str = ""
    used_gb: float = 0.0
    reserved_gb: float = 0.0
    running: dict[str, int] = field(default_factory=dict)
    up: asyncio.Event = field(default_factory=asyncio.Event)
    restarts: int = 0
    to_reload: "list[EngineState]" = field(default_factory=list)

    def distrust(self, restarts: int) -> bool:
        """A call found the process dead that had been restarted `restarts` times.

        It is chosen no more, unless its watcher was quicker and has restarted it already
        (False); the watcher sets `up` again.
        """
        if self.restarts == restarts:
            self.up.clear()
        return self.restarts == restarts

    def snapshot(self, engines: "list[EngineState]") -> dict[str, Any]:
        """This slot as plain JSON."""
        return {
            "id": self.slot.id,
            "up": self.up.is_set(),
            "memory_gb": round(self.used_gb, 3),
            "budget_gb": self.budget_gb,
            "restarts": self.restarts,
            "running": self.running,
            "residents": [n for e in engines if e.slot is self for n in e.load.experts],
        }

    def view(self, engines: "list[EngineState]") -> SlotView:
        """This slot for the residency policy."""
        here = [engine for engine in engines if engine.slot is self and engine.ready]
        residents = tuple(
            ResidentView(e.load.expert, e.memory_gb, e.in_use, e.last_used) for e in here
        )
        return SlotView(self.slot.id, self.budget_gb - self.used_gb - self.reserved_gb, residents)


@dataclass(slots=True)
class EngineState:
    """One engine: where it is resident, who uses it, what loading it costs."""

    load: EngineLoad
    memory_gb: float
    slot: SlotState | None = None
    ready: bool = False
    in_use: int = 0
    waiting: int = 0
    last_used: float = 0.0
    loads: int = 0
    load_seconds: float = 0.0
    loading: asyncio.Task[None] | None = None
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.idle.set()

    @property
    def name(self) -> str:
        """The base expert."""
        return self.load.expert

    def arrive(self, slot: SlotState, seconds: float, measured_gb: float) -> None:
        """It is resident in `slot` now; `measured_gb` replaces the estimate where it is known."""
        self.slot, self.ready = slot, True
        self.loads += 1
        self.load_seconds = seconds
        self.memory_gb = measured_gb or self.memory_gb

    def snapshot(self) -> dict[str, Any]:
        """What loading it has cost, as plain JSON."""
        return {
            "count": self.loads,
            "seconds": round(self.load_seconds, 3),
            "memory_gb": round(self.memory_gb, 3),
        }

    def acquire(self, now: float) -> None:
        """Count a request in."""
        self.in_use += 1
        self.last_used = now
        self.idle.clear()

    def release(self, now: float) -> None:
        """Count a request out."""
        self.in_use -= 1
        self.last_used = now
        if self.in_use == 0:
            self.idle.set()

    def forget(self) -> None:
        """It is resident nowhere any more."""
        self.slot = None
        self.ready = False


def engine_states(
    hosted: dict[str, VllmSpec], default_args: dict[str, object]
) -> dict[str, EngineState]:
    """Base expert -> its engine; adapters ride along with their base."""
    states: dict[str, EngineState] = {}
    for name, spec in hosted.items():
        if spec.adapter_of is not None:
            continue
        adapters = {n: s.model for n, s in hosted.items() if s.adapter_of == name}
        load = EngineLoad(name, spec.model, {**default_args, **spec.engine_args}, adapters)
        states[name] = EngineState(load, spec.memory_gb or _estimate_gb(load))
    return states


def _estimate_gb(load: EngineLoad) -> float:
    """Weights (doubled: half-precision files may be served in float32) and KV cache, in GiB."""
    folder = Path(load.model)
    weights = sum(f.stat().st_size for f in folder.glob("*.safetensors")) if folder.is_dir() else 0
    cache = load.engine_args.get("kv_cache_memory_bytes")
    return (2 * weights + (cache if isinstance(cache, int) else DEFAULT_KV_CACHE_BYTES)) / GIB
