"""What to load into a slot, and what loading it cost; imported on both sides, without vLLM."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a slot's process is started with."""

    threads: int
    """Compute threads of a CPU engine."""
    cuda: bool = False
    sleeps: bool = False
    """Whether engines can sleep. CUDA only."""
    gather_ms: float = 10.0
    """How long a step of a CPU engine waits for requests that are just arriving."""
    step_ms: float = 150.0
    """How long a step of a CPU engine should take at most."""
    offline: bool | Literal["auto"] = True
    """Whether models come from this machine alone; `auto`: where it has them all."""
    models: tuple[str, ...] = ()
    """All that may be loaded."""
    hub_timeout_s: float = 3.0
    """How long the Hugging Face hub may take to answer before it counts as out of reach."""
    temporary: str | None = None
    """A folder for temporary files that is removed with the service; None: the system's."""
    counts: bool = False
    """Whether engines of vLLM count what they do, for Prometheus."""


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """A base model and the adapters that share its engine."""

    expert: str
    model: str
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    adapters: Mapping[str, str] = field(default_factory=dict)
    """Expert name -> folder of its LoRA adapter."""
    aliases: tuple[str, ...] = ()
    """Further experts that are this model, in other roles."""
    memory_gb: float = 0.0
    """What it is expected to take; 0: not known."""
    kind: Literal["vllm", "torch"] = "vllm"
    """What runs it; the arguments of a torch engine are `max_num_seqs` alone."""

    @property
    def experts(self) -> tuple[str, ...]:
        """Every expert that the engine answers for."""
        return (self.expert, *self.aliases, *self.adapters)


@dataclass(frozen=True, slots=True)
class Limits:
    """How an engine was started in the end."""

    dtype: str
    max_model_len: int
    kv_tokens: int
    """Tokens that its KV cache holds, of all requests together."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load cost: seconds, and the growth of the slot's memory in GiB."""

    seconds: float
    memory_gb: float
    limits: Limits | None = None
    """None where the engine does not tell."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Adapter's expert -> why it is not served, though its base is."""


@dataclass(frozen=True, slots=True)
class UnloadReport:
    """What it took to drop an engine or to put it to sleep, and the slot's memory in GiB."""

    seconds: float
    freed_gb: float | None
    """By how much it shrank; None where nothing was left to do."""
    memory_gb: float
    """What is held afterwards."""
