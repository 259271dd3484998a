"""The live halves of the books: who waits for an engine, and the process behind a slot."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from experts.errors import ExpertUnavailable
from experts.spec import HostedSpec, TorchSpec, VllmSpec
from experts.vllm.loads import EngineLoad
from orchestrator.residency.costs import CostEstimates
from orchestrator.residency.slot import Slot
from orchestrator.residency.state import EngineState, Phase, Replica, SlotState

GIB = float(1 << 30)
DEFAULT_KV_CACHE_BYTES = 64 << 20
LOST_LOADS = 2
"""An engine whose load ended its slot's process so often in a row is to blame for it."""


@dataclass(slots=True, eq=False)
class Waiter:
    """One request that waits for its turn."""

    expert: str
    since: float
    deadline: float
    granted: "asyncio.Future[Replica]"


class WaitingLine:
    """The requests that wait for one expert: in order within each age bound."""

    def __init__(self) -> None:
        self._by_bound: dict[float, deque[Waiter]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_bound.values()))

    def add(self, waiter: Waiter) -> None:
        bound = waiter.deadline - waiter.since
        self._by_bound.setdefault(round(bound, 6), deque()).append(waiter)

    def remove(self, waiter: Waiter) -> None:
        for line in self._by_bound.values():
            if waiter in line:
                line.remove(waiter)

    def heads(self) -> list[Waiter]:
        return [line[0] for line in self._by_bound.values() if line]

    def clear(self) -> list[Waiter]:
        everybody = [waiter for line in self._by_bound.values() for waiter in line]
        self._by_bound.clear()
        return everybody


@dataclass(slots=True, eq=False)
class HostedEngine:
    """One engine: its book, who waits for it, and what has happened to it."""

    load: EngineLoad
    book: EngineState
    estimates: CostEstimates
    limits: Mapping[str, int]
    """Expert -> requests of it that one copy serves at once."""
    measure_gb: bool = False
    """Whether its memory is measured, because nobody has configured it."""
    lines: dict[str, WaitingLine] = field(init=False)
    in_use: dict[str, int] = field(init=False)
    loads: int = 0
    load_seconds: float = 0.0
    load_began: float = 0.0
    evictions: int = 0
    failures: int = 0
    failed_in_a_row: int = 0
    failed: str | None = None
    lost_loads: int = 0
    leaked_gb: float = 0.0
    taken_gb: float = 0.0
    """What the last load took: what must be free again when it has left."""
    largest_gb: float = 0.0
    canary: str | None = None

    def __post_init__(self) -> None:
        self.lines = {name: WaitingLine() for name in self.limits}
        self.in_use = dict.fromkeys(self.limits, 0)

    @property
    def name(self) -> str:
        """The base expert."""
        return self.load.expert

    def admitting(self, expert: str) -> Replica | None:
        """The copy with the fewest requests that takes one more; None if there is none."""
        if self.in_use[expert] >= self.limit(expert):
            return None
        open_copies = [copy for copy in self.book.copies if copy.admits]
        return min(open_copies, key=lambda copy: copy.in_use, default=None)

    def limit(self, expert: str) -> int:
        """Requests of the expert that all copies together serve at once."""
        loaded = sum(copy.phase is not Phase.LOADING for copy in self.book.copies)
        return self.limits[expert] * max(1, loaded)

    def begin(self, expert: str, copy: Replica, now: float) -> Replica:
        """A request of `expert` begins in `copy`."""
        copy.in_use += 1
        copy.last_used = now
        self.in_use[expert] += 1
        return copy

    def enqueue(self, waiter: Waiter) -> None:
        """It waits from now on."""
        self.lines[waiter.expert].add(waiter)
        self._recount()

    def leave(self, waiter: Waiter) -> None:
        """It waits no longer."""
        self.lines[waiter.expert].remove(waiter)
        self._recount()

    def serve(self, now: float) -> None:
        """Let those begin for whom there is room: the nearest age bound first, then the oldest."""
        while self.book.waiting:
            heads = [h for line in self.lines.values() for h in line.heads()]
            for waiter in sorted(heads, key=lambda w: (w.deadline, w.since)):
                if waiter.granted.done():  # Its client left in this very turn of the loop.
                    self.leave(waiter)
                    break
                copy = self.admitting(waiter.expert)
                if copy is not None:
                    self.leave(waiter)
                    waiter.granted.set_result(self.begin(waiter.expert, copy, now))
                    break
            else:
                return

    def measured(self, memory_gb: float) -> None:
        """A load has taken `memory_gb`.

        In a process that had room left over from others it looks smaller than it is.
        """
        if self.measure_gb:
            self.book.memory_gb = max(memory_gb, self.largest_gb, estimate_gb(self.load) / 2)
            self.largest_gb = max(memory_gb, self.largest_gb)

    def reject(self, error: Callable[[], ExpertUnavailable]) -> None:
        """Nobody who waits can be served."""
        for line in self.lines.values():
            for waiter in line.clear():
                if not waiter.granted.done():
                    waiter.granted.set_exception(error())
        self._recount()

    def _recount(self) -> None:
        heads = [h for line in self.lines.values() for h in line.heads()]
        self.book.waiting = sum(map(len, self.lines.values()))
        self.book.oldest = min((h.since for h in heads), default=math.inf)
        self.book.deadline = min((h.deadline for h in heads), default=math.inf)


@dataclass(slots=True, eq=False)
class HostedSlot:
    """One slot: its book, its process, and where that serves."""

    slot: Slot
    book: SlotState
    url: str = ""
    base_gb: float = 0.0
    """What the process takes with no engine in it."""
    memory_gb: float = 0.0
    running: dict[str, int] = field(default_factory=dict)
    up: asyncio.Event = field(default_factory=asyncio.Event)
    restarts: int = 0
    drained: asyncio.Event = field(default_factory=asyncio.Event)
    doing: str | None = None
    doing_since: float = 0.0

    def recount(self) -> None:
        """Bring the book's memory up to date with the copies."""
        sizes = [(copy.phase is Phase.LOADING, copy.engine.memory_gb) for copy in self.book.copies]
        self.book.reserved_gb = sum(size for loading, size in sizes if loading)
        self.book.used_gb = self.base_gb + sum(size for loading, size in sizes if not loading)

    def distrust(self, restarts: int) -> bool:
        """A call found the process dead that had been restarted `restarts` times.

        It is chosen no more, unless its watcher was quicker and has restarted it already
        (False); the watcher sets `up` again.
        """
        if self.restarts == restarts:
            self.up.clear()
            self.book.up = False
        return self.restarts == restarts


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
