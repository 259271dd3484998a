"""Checks of vLLM's engine arguments, for all slots and for one expert, against its own table."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experts.footprint.checkpoint_files import own_context
from experts.footprint.sizes import whole
from experts.mistakes import ended
from experts.spec import ExpertSpecBase, VllmSpec
from experts.vllm import arguments
from orchestrator.config.weight_checks import config_of

_LENGTH = "max_model_len"
_COUNTS = frozenset(
    {
        _LENGTH, "max_num_seqs", "max_num_batched_tokens", "block_size", "kv_cache_memory_bytes",
        "tensor_parallel_size", "pipeline_parallel_size", "max_loras", "max_lora_rank",
    }
)  # fmt: skip
_ALLOWED = "VLLM_ALLOW_LONG_MAX_MODEL_LEN"
"""With this variable, vLLM takes any length."""


def check_engine_args(
    experts: Mapping[str, ExpertSpecBase], slot_args: Mapping[str, Any]
) -> list[str]:
    """Every argument that vLLM does not know, or would refuse, with its path in the file."""
    problems = _check_names("slots", slot_args)
    for name, spec in experts.items():
        if isinstance(spec, VllmSpec):
            problems += _check_names(f"experts.{name}", spec.engine_args)
            problems += _check_length(name, spec, slot_args)
    return problems


def _check_names(where: str, given: Mapping[str, Any]) -> list[str]:
    found = arguments.faults(given)
    problems = [f"{where}.engine_args.{name}: {ended(fault)}" for name, fault in found]
    wrong = {name for name, _ in found}
    return problems + [
        f"{where}.engine_args.{name}: must be 1 or more, not {value}."
        for name, value in given.items()
        if name in _COUNTS and name not in wrong and _is_below_one(name, value)
    ]


def _is_below_one(name: str, value: Any) -> bool:
    automatic = name == _LENGTH and value == -1
    return isinstance(value, int | float) and value < 1 and not automatic


def _check_length(name: str, spec: VllmSpec, slot_args: Mapping[str, Any]) -> list[str]:
    """Whether the model can read as far as it is told to."""
    given = spec.engine_args.get(_LENGTH, slot_args.get(_LENGTH))
    asked, own = whole(given), _own_context(spec)
    if asked is None or own is None or asked <= own[0] or os.environ.get(_ALLOWED) == "1":
        return []
    most, key = own
    where = f"experts.{name}" if _LENGTH in spec.engine_args else "slots"
    model = "the model" if _LENGTH in spec.engine_args else f"the model of `{name}`"
    return [
        f"{where}.engine_args.{_LENGTH}: {given} is more than the {most} tokens that {model} reads"
        f" ({key} in its config.json); use {most} at most."
    ]


def _own_context(spec: VllmSpec) -> tuple[int, str] | None:
    if spec.base is not None or "hf_overrides" in spec.engine_args:
        return None
    config = config_of(Path(spec.model))
    return None if config is None else own_context(config)
