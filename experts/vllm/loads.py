"""What to load into a slot, and what loading it cost; imported on both sides, without vLLM."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """A base model and the adapters that share its engine."""

    expert: str
    model: str
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    adapters: Mapping[str, str] = field(default_factory=dict)
    """Expert name -> folder of its LoRA adapter."""
    kind: Literal["vllm", "torch"] = "vllm"
    """What runs it; the arguments of a torch engine are `max_num_seqs` alone."""

    @property
    def experts(self) -> tuple[str, ...]:
        """Every expert that the engine answers for."""
        return (self.expert, *self.adapters)


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load cost: seconds, and the growth of the slot's memory in GiB."""

    seconds: float
    memory_gb: float
