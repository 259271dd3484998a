"""Checks whether every expert fits into a slot: its weights, KV cache, context and GPUs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from experts.footprint.device import expected
from experts.footprint.plan import EMPTY_PROCESS_GB, Footprint
from experts.footprint.shape import read_shape
from experts.footprint.sizes import whole
from experts.footprint.specs import SlotRoom, adapters_of, arguments, footprint
from experts.fused.roles import fused
from experts.spec import ExpertSpecBase, HostedSpec, VllmSpec
from experts.vllm.hub import cached, is_hub_id
from orchestrator.config.slot_checks import check_pins, room_gb
from orchestrator.config.slots_section import SlotsConfig

SHORTEST = 64
"""Tokens of context below which an expert is of no use."""


def footprints(experts: Mapping[str, ExpertSpecBase], slots: SlotsConfig) -> dict[str, Footprint]:
    """Expert with weights of its own -> what its engine takes."""
    hosted = {name: spec for name, spec in experts.items() if isinstance(spec, HostedSpec)}
    room = SlotRoom(slots.memory_gb, slots.kv_cache_share, expected(slots.gpus))
    return {
        name: footprint(name, hosted, slots.engine_args, room)
        for name, spec in hosted.items()
        if spec.base is None
    }


def check_memory(experts: Mapping[str, ExpertSpecBase], slots: SlotsConfig) -> list[str]:
    """Every expert that no slot can hold, or whose context finds no room, with its path."""
    by_name = footprints(experts, slots)
    problems = [*check_pins(experts, slots, by_name), *_check_lengths(experts, by_name)]
    for name, found in by_name.items():
        spec = experts[name]
        assert isinstance(spec, HostedSpec)
        too_large = list(_too_large(name, spec, found, slots))
        problems += too_large
        if isinstance(spec, VllmSpec) and not too_large:
            problems += _no_room_for_context(name, spec, found, slots)
        if isinstance(spec, VllmSpec):
            problems += _wrong_on_device(name, spec, experts, slots)
    return problems


def _check_lengths(
    experts: Mapping[str, ExpertSpecBase], by_name: Mapping[str, Footprint]
) -> Iterator[str]:
    """Answers by default that are longer than what their model reads with its prompt."""
    for name, spec in experts.items():
        base = spec.base or name if isinstance(spec, HostedSpec) else name
        longest = by_name[base].max_model_len if base in by_name else None
        asked = spec.defaults.max_tokens
        if longest is not None and asked is not None and asked >= longest >= SHORTEST:
            yield (
                f"experts.{name}.defaults.max_tokens: {asked} leaves no room for a prompt in the"
                f" {longest} tokens of its context; lower it."
            )


def _too_large(name: str, spec: HostedSpec, found: Footprint, slots: SlotsConfig) -> Iterator[str]:
    slot = f"a slot of {slots.memory_gb:g} GB (slots.memory_gb)"
    if spec.memory_gb is not None and spec.memory_gb > slots.memory_gb:
        yield f"experts.{name}.memory_gb: {spec.memory_gb:.2f} GB do not fit into {slot}."
    least_gb = found.weights_gb + found.adapters_gb
    if least_gb > slots.memory_gb:
        yield (
            f"experts.{name}.model: its weights alone take {least_gb:.2f} GB in {found.dtype},"
            f" which do not fit into {slot}."
        )
    elif found.kv_given and isinstance(spec, VllmSpec) and found.total_gb > room_gb(slots):
        yield (
            f"{_path(name, spec, 'kv_cache_memory_bytes')}: a KV cache of {_size(found.kv_gb)}"
            f" beside {_size(_beside(found))} for weights and activations{_process(slots)} does not"
            f" fit into {slot}; lower it, or leave the cache's size to us."
        )
    elif found.max_model_len is not None and found.max_model_len < SHORTEST:
        larger = _budget(name, spec)
        if found.kv_given and isinstance(spec, VllmSpec):
            larger = _path(name, spec, "kv_cache_memory_bytes")
        yield (
            f"experts.{name}.model: there is no room for even {SHORTEST} tokens in its KV cache of"
            f" {_size(found.kv_gb)}, beside {_size(_beside(found))} for weights and activations"
            f"{_process(slots)}. Raise {larger}."
        )


def _beside(found: Footprint) -> float:
    return found.weights_gb + found.adapters_gb + found.working_gb


def _process(slots: SlotsConfig) -> str:
    """A slot on a CPU takes memory of its own."""
    if expected(slots.gpus).kind == "cuda":
        return ""
    return f" and {EMPTY_PROCESS_GB} GB for the slot's process"


def _no_room_for_context(
    name: str, spec: VllmSpec, found: Footprint, slots: SlotsConfig
) -> Iterator[str]:
    """Only a context that somebody asked for: the model's own falls to what fits."""
    args = arguments(spec, slots.engine_args)
    asked, fits = whole(args.get("max_model_len")), found.max_model_len
    if fits is None or asked is None or fits >= asked:
        return
    cache = whole(args.get("kv_cache_memory_bytes"))
    where = _path(name, spec, "max_model_len")
    if cache is not None:
        yield (
            f"{where}: a request of {asked} tokens does not fit into a KV cache of"
            f" {found.kv_gb:.2f} GB ({_path(name, spec, 'kv_cache_memory_bytes')}); lower it to"
            f" {fits}, or leave the cache's size to us."
        )
        return
    yield (
        f"{where}: beside {_size(_beside(found))} for weights and activations{_process(slots)},"
        f" {_budget(name, spec)}"
        f" leaves a KV cache of {found.kv_gb:.2f} GB, enough for {fits} tokens; lower it, or"
        f" raise {_budget(name, spec)}."
    )


def _wrong_on_device(
    name: str, spec: VllmSpec, experts: Mapping[str, ExpertSpecBase], slots: SlotsConfig
) -> Iterator[str]:
    """What a GPU's kernels, several GPUs, or a CPU cannot do."""
    device = expected(slots.gpus)
    args = arguments(spec, slots.engine_args)
    for key in ("tensor_parallel_size", "pipeline_parallel_size"):
        if device.kind == "cpu" and (whole(args.get(key)) or 1) > 1:
            yield f"{_path(name, spec, key)}: a slot on a CPU has one process; leave it out."
    if slots.offline is True and is_hub_id(spec.model) and not cached(spec.model):
        yield (
            f"experts.{name}.model: {spec.model} is not in the Hugging Face cache of this machine,"
            " and nothing is downloaded (slots.offline: true)."
        )
    hosted = {n: s for n, s in experts.items() if isinstance(s, HostedSpec)}
    adapters = adapters_of(name, hosted)
    if device.kind == "cuda" and adapters and args.get("dtype") in ("float32", "float"):
        yield (
            f"{_path(name, spec, 'dtype')}: on a GPU, LoRA adapters ({', '.join(adapters)}) need"
            " float16 or bfloat16."
        )
    parallel = whole(args.get("tensor_parallel_size")) or device.gpus
    if device.kind == "cuda" and parallel > device.gpus:
        yield (
            f"{_path(name, spec, 'tensor_parallel_size')}: {parallel} GPUs are more than a slot"
            f" has ({device.gpus}, slots.gpus)."
        )
    if device.kind == "cuda" and parallel > 1 and fused(spec.model):
        yield (
            f"experts.{name}.model: a fused expert runs on one GPU; set"
            f" experts.{name}.engine_args.tensor_parallel_size: 1."
        )
    shape = read_shape(Path(spec.model))
    if shape is not None and shape.quantised and fused(spec.model):
        yield f"experts.{name}.model: a fused expert cannot be quantised ({shape.quantised})."


def _path(name: str, spec: VllmSpec, key: str) -> str:
    """Where an engine argument stands in the file."""
    if key in spec.engine_args:
        return f"experts.{name}.engine_args.{key}"
    return f"slots.engine_args.{key}"


def _budget(name: str, spec: HostedSpec) -> str:
    return f"experts.{name}.memory_gb" if spec.memory_gb is not None else "slots.memory_gb"


def describe(name: str, found: Footprint, args: Mapping[str, Any]) -> str:
    """One line for people: how an engine will be started, and what it will take."""
    parts = [found.dtype if found.dtype != "auto" else "dtype by vLLM"]
    if not found.weights_gb and found.kv_tokens is None:
        return f"{name}: {parts[0]}; its sizes are unknown until the first load"
    if found.max_model_len is not None:
        length = f"context {found.max_model_len:,}"
        if found.shortened and "max_model_len" not in args:
            length += f" of {found.context:,} tokens (what fits)"
        else:
            length += " tokens"
        parts.append(length)
    tokens = f" for {found.kv_tokens:,} tokens" if found.kv_tokens else ""
    parts.append(f"KV cache {_size(found.kv_gb)}{tokens}")
    if not found.weights_gb:
        return f"{name}: {', '.join(parts)}, and weights whose size is unknown until the first load"
    parts.append(f"weights {_size(found.weights_gb)}")
    if found.adapters_gb:
        parts.append(f"adapters {_size(found.adapters_gb)}")
    return f"{name}: {', '.join(parts)}; {_size(found.total_gb)} in all"


def _size(gb: float) -> str:
    return f"{gb:.2f} GB" if gb >= 0.1 else f"{1024 * gb:.0f} MB"
