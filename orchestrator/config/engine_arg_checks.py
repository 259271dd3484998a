"""Checks of vLLM's engine arguments, for all slots and for one expert, against its own table."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experts.footprint.checkpoint_files import own_context
from experts.footprint.device import expected
from experts.footprint.sizes import whole
from experts.mistakes import ended
from experts.spec import ExpertSpecBase, VllmSpec
from experts.vllm.tables import arguments
from experts.vllm.tables.models import known
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
_BLOCKS = {"cpu": 32, "cuda": 16}
"""Tokens of which a block of the KV cache holds a multiple."""
_LATENT_BLOCK = 16
"""What attention with a compressed cache takes on a CPU."""


def check_engine_args(
    experts: Mapping[str, ExpertSpecBase], slot_args: Mapping[str, Any], gpus: float | None = 0
) -> list[str]:
    """Every argument that vLLM does not know, or would refuse, with its path in the file.

    `gpus` are those of a slot, as in the configuration.
    """
    kind = expected(gpus).kind
    problems = _check_names("slots", slot_args, kind)
    for name, spec in experts.items():
        if isinstance(spec, VllmSpec):
            problems += _check_names(f"experts.{name}", spec.engine_args, kind)
            problems += _check_length(name, spec, slot_args)
    return problems


def _check_names(where: str, given: Mapping[str, Any], kind: str) -> list[str]:
    found = dict(arguments.faults(given))
    for name, value in given.items():
        if name not in found and (fault := _beyond_types(name, value, kind)) is not None:
            found[name] = fault
    return [f"{where}.engine_args.{name}: {ended(fault)}" for name, fault in found.items()]


def _beyond_types(name: str, value: Any, kind: str) -> str | None:
    """What is wrong with a value of the right type."""
    name = name.replace("-", "_")
    if name in _COUNTS and _is_below_one(name, value):
        return f"must be 1 or more, not {value}"
    blocks, size = _BLOCKS[kind], whole(value)
    if name == "block_size" and size is not None and size % blocks and size != _LATENT_BLOCK:
        return f"must be a multiple of {blocks} tokens, not {value}"
    if name == "chat_template" and isinstance(value, str):
        return _no_template(value)
    return None


def _no_template(value: str) -> str | None:
    """As vLLM tells them apart: what has braces or several lines is the template itself."""
    is_text = any(mark in value for mark in "{}\n")
    if is_text or Path(value).is_file() or value in known().chat_templates:
        return None
    return f"there is no file {value}; name a Jinja file, relative to this one, or write it here"


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
