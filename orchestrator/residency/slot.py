"""What the pool needs of a slot: a process that hosts experts on one device group."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from experts.footprint.device import Device
from experts.vllm.loads import EngineLoad, LoadReport, UnloadReport

LOOPBACK = "127.0.0.1"
"""Where Ray and the slots listen that only this machine should reach."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a process that has come up holds: nothing, unless it was started by somebody before."""

    memory_gb: float = 0.0
    empty_gb: float = 0.0
    """What it held before anything was loaded."""
    engines: Mapping[str, tuple[EngineLoad, LoadReport]] = field(default_factory=dict)


class SlotLost(Exception):
    """The slot's process ended; what was resident in it is gone."""


class NoPlace(Exception):
    """Ray has no process for the slot: no node has room for it, or its node is missing."""


class StartTooSlow(Exception):
    """The slot's process runs, and was not ready in time."""


class Slot(Protocol):
    """One device group. Every method raises SlotLost when its process dies meanwhile."""

    id: str
    sleeps: bool
    """Whether an engine can sleep here, its weights in host memory, and wake."""
    device: Device
    load_blocks: bool
    """Whether the residents stand still during a load."""
    token: str | None
    """What its HTTP API wants as bearer token; None where only this machine can reach it."""

    @property
    def made(self) -> bool:
        """Whether Ray has been asked for its process, perhaps by another driver."""
        ...

    async def start(self) -> str:
        """Bring the process up (again); returns the URL under which it serves /e/<expert>/.

        Raises NoPlace where that has to wait for a node: call it again, for as long as it takes.
        Raises StartTooSlow.
        """
        ...

    async def held(self) -> Held:
        """What it holds, once nothing is loaded or unloaded any more."""
        ...

    async def load(self, load: EngineLoad) -> LoadReport:
        """Make an engine resident. Raises RuntimeError with the engine's own words."""
        ...

    async def hasten(self, engine: str) -> None:
        """Let an engine that leaves finish what it has before others do what may come later."""
        ...

    async def unload(self, engine: str) -> UnloadReport:
        """Drop an engine, with the requests that it still has."""
        ...

    async def sleep(self, engine: str, level: int) -> UnloadReport:
        """Free the device's memory, keep the engine. Only where it `sleeps`."""
        ...

    async def wake(self, engine: str) -> float:
        """Make an engine that sleeps resident again; returns seconds."""
        ...

    async def memory_gb(self) -> float:
        """Memory of the process in GiB, or of its GPU."""
        ...

    async def running(self) -> dict[str, int]:
        """Requests under way in each resident engine."""
        ...

    async def lost(self) -> None:
        """Return when the process has died."""
        ...

    async def stop(self) -> None:
        """End the process."""
        ...


def authorization(slot: Slot) -> Mapping[str, str]:
    """The header that a slot's HTTP API wants."""
    return {} if slot.token is None else {"authorization": f"Bearer {slot.token}"}
