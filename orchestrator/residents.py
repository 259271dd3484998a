"""The pool's books: what each slot and each engine is doing right now."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

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
    last_used: float = 0.0
    loads: int = 0
    load_seconds: float = 0.0
    loading: asyncio.Task[None] | None = None
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.idle.set()

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
    cache = load.engine_args.get("kv_cache_memory_bytes", DEFAULT_KV_CACHE_BYTES)
    return (2 * weights + int(str(cache))) / GIB
