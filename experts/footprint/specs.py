"""The footprint of every engine that a configuration describes, and what it is started with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experts.footprint.device import Device
from experts.footprint.files import look
from experts.footprint.plan import EMPTY_PROCESS_GB, GIB, Footprint, Model, Room, derive
from experts.spec import HostedSpec, TorchSpec, VllmSpec

POOLING = "pooling"
"""VLLM's word for what embeds."""


@dataclass(frozen=True, slots=True)
class SlotRoom:
    """What a slot offers."""

    memory_gb: float
    kv_cache_share: float
    device: Device

    def for_one(self, memory_gb: float | None) -> Room:
        """For an engine; `memory_gb` is what the configuration allows it, if it says so."""
        empty_gb = EMPTY_PROCESS_GB if self.device.kind == "cpu" else 0.0
        return Room(memory_gb or max(self.memory_gb - empty_gb, 0.0), self.kv_cache_share)


def adapters_of(base: str, specs: Mapping[str, HostedSpec]) -> dict[str, str]:
    """Expert -> folder, of the adapters that share the engine of `base`."""
    return {
        name: spec.model
        for name, spec in specs.items()
        if getattr(spec, "adapter_of", None) == base
    }


def aliases_of(base: str, specs: Mapping[str, HostedSpec]) -> tuple[str, ...]:
    """The experts that are `base` in another role."""
    return tuple(name for name, spec in specs.items() if getattr(spec, "same_as", None) == base)


def arguments(spec: VllmSpec, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """VLLM's arguments as the configuration gives them: the expert's own before the slots'."""
    task = {"runner": POOLING} if spec.embeds else {}
    return {**defaults, **spec.engine_args, **task}


def footprint(
    name: str, specs: Mapping[str, HostedSpec], defaults: Mapping[str, Any], slot: SlotRoom
) -> Footprint:
    """What the engine of an expert with weights of its own takes."""
    spec = specs[name]
    model = look(spec.model, adapters_of(name, specs).values())
    if isinstance(spec, TorchSpec):
        return _in_torch(model)
    args = arguments(spec, defaults) if isinstance(spec, VllmSpec) else {}
    return derive(model, args, slot.device, slot.for_one(spec.memory_gb))


def _in_torch(model: Model) -> Footprint:
    """Our own engine keeps everything in float32, and caches as its requests come."""
    weights_gb = model.weights.in_bytes(4) / GIB if model.weights else 0.0
    return Footprint("float32", weights_gb, 0.0, 0.0, 0.0)


def completed(args: Mapping[str, Any], derived: Footprint, device: Device) -> dict[str, Any]:
    """The arguments with what was derived in the places that the configuration leaves open."""
    whole = dict(args)
    whole["dtype"] = derived.dtype
    # `auto`: vLLM takes the model's own context, or what fits into the cache.
    whole.setdefault("max_model_len", "auto")
    if device.kind == "cpu" or "gpu_memory_utilization" not in args:
        whole.setdefault("kv_cache_memory_bytes", int(derived.kv_gb * GIB))
    if derived.tp > 1:
        whole["tensor_parallel_size"] = derived.tp
    return whole
