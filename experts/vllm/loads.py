"""What to load into a slot, and what that cost; known to both sides, without importing vLLM."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """A base model and the adapters that share its engine."""

    expert: str
    model: str
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    adapters: Mapping[str, str] = field(default_factory=dict)
    """Expert name -> folder of its LoRA adapter."""

    @property
    def experts(self) -> tuple[str, ...]:
        """Every expert that the engine answers for."""
        return (self.expert, *self.adapters)


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load cost: seconds, and the growth of the slot's memory in GiB."""

    seconds: float
    memory_gb: float
