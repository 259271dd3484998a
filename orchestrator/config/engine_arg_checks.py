"""Checks of vLLM's engine arguments, for all slots and for one expert, against its own table."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experts.footprint.checkpoint_files import own_context
from experts.footprint.device import expected
from experts.footprint.sizes import whole
from experts.footprint.specs import arguments as arguments_of
from experts.footprint.texts import template_fault
from experts.mistakes import ended
from experts.spec import ExpertSpecBase, VllmSpec
from experts.vllm.tables import arguments
from experts.vllm.tables.models import known, nearest, others_add
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
_ANSWERS: Mapping[str, tuple[str, ...]] = {
    "runner": ("auto", "generate"),
    "convert": ("auto", "none"),
}
"""Values with which a model generates text."""
_EMBEDS = ("auto", "none", "embed")
"""Values of `convert` with which one embeds."""
_SAVED_SO = frozenset(
    {
        "awq", "auto_awq", "awq_marlin", "gptq", "auto_gptq", "gptq_marlin", "compressed-tensors",
        "modelopt", "modelopt_fp4", "modelopt_mixed", "modelopt_mxfp8", "fbgemm_fp8", "quark",
        "moe_wna16", "fp_quant",
    }
)  # fmt: skip
"""Ways of quantising whose settings vLLM reads from the checkpoint."""
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
            problems += _check_names(f"experts.{name}", spec.engine_args, kind, spec.embeds)
            problems += _check_length(name, spec, slot_args)
            problems += _check_together(name, spec, slot_args, kind)
    return problems


def _check_names(
    where: str, given: Mapping[str, Any], kind: str, embeds: bool = False
) -> list[str]:
    found = dict(arguments.faults(given))
    for name, value in given.items():
        if name in found:
            continue
        fault = _beyond_types(name, value, kind) or _not_of_task(name, value, embeds)
        if fault is not None:
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
    if name == "gpu_memory_utilization" and isinstance(value, int | float) and not 0 < value <= 1:
        return f"must be a share of the GPU, above 0 and at most 1, not {value}"
    if name == "chat_template" and isinstance(value, str):
        return _no_template(value)
    if name == "tokenizer" and isinstance(value, str) and value.startswith(("/", ".", "~")):
        return None if Path(value).exists() else f"there is no folder {value}; correct the path"
    if name == "attention_backend" and isinstance(value, str):
        return _no_backend(value)
    return None


def _not_of_task(name: str, value: Any, embeds: bool) -> str | None:
    """What is not for the expert's task; `value` is of the right type."""
    name = name.replace("-", "_")
    if embeds and name == "runner":
        return "`task: embed` says so already; leave it out"
    if embeds and name == "convert" and value not in _EMBEDS:
        return f"`task: embed` needs embeddings, which `{value}` does not give; leave it out"
    if not embeds and name in _ANSWERS and value not in _ANSWERS[name]:
        return (
            f"an expert answers with text, which `{value}` does not; leave it out, or set"
            " `task: embed`"
        )
    return None


def _no_backend(value: str) -> str | None:
    table = known()
    if value.upper() in table.attention_backends or value.lower() == "auto" or others_add():
        return None
    hint = nearest(value, table.attention_backends)
    return f"vLLM {table.vllm} has no attention backend `{value}`{hint}; leave it out"


def _no_template(value: str) -> str | None:
    """As vLLM tells them apart: what has braces or several lines is the template itself."""
    is_text = any(mark in value for mark in "{}\n")
    if is_text or Path(value).is_file():
        text = value if is_text else Path(value).read_text(encoding="utf-8", errors="replace")
        fault = template_fault(text)
        return None if fault is None else f"it is not Jinja ({fault}); correct it"
    if value in known().chat_templates:
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


def _check_together(
    name: str, spec: VllmSpec, slot_args: Mapping[str, Any], kind: str
) -> list[str]:
    """Arguments that are right by themselves, and not together, or not with the model."""
    args = {key.replace("-", "_"): value for key, value in arguments_of(spec, slot_args).items()}
    tokens, rows = whole(args.get("max_num_batched_tokens")), whole(args.get("max_num_seqs"))
    problems = []
    if tokens is not None and rows is not None and tokens < rows:
        problems.append(
            f"{_place(name, spec, 'max_num_batched_tokens')}: {tokens} is less than max_num_seqs"
            f" ({rows}); each of those requests needs a token of a step. Raise it, or lower"
            " max_num_seqs."
        )
    method = args.get("quantization")
    config = config_of(Path(spec.model)) if spec.base is None else None
    if method is None or config is None or "hf_overrides" in args:
        return problems
    if str(method).lower() in _SAVED_SO and not _is_quantised(Path(spec.model), config):
        problems.append(
            f"{_place(name, spec, 'quantization')}: the weights in {spec.model} are not quantised,"
            f" and `{method}` reads only weights that were saved so; leave it out."
        )
    elif kind == "cpu" and str(method).lower().startswith("fp8"):
        problems.append(
            f"{_place(name, spec, 'quantization')}: a CPU does not compute in `{method}`; leave it"
            " out."
        )
    return problems


def _is_quantised(folder: Path, config: Mapping[str, Any]) -> bool:
    keys = ("quantization_config", "compression_config")
    inner = config.get("text_config")
    inside = inner if isinstance(inner, dict) else {}
    files = ("quantize_config.json", "quant_config.json", "hf_quant_config.json")
    return any(key in config or key in inside for key in keys) or any(
        (folder / file).is_file() for file in files
    )


def _place(name: str, spec: VllmSpec, key: str) -> str:
    own = {given.replace("-", "_") for given in spec.engine_args}
    return f"{f'experts.{name}' if key in own else 'slots'}.engine_args.{key}"


def _own_context(spec: VllmSpec) -> tuple[int, str] | None:
    if spec.base is not None or "hf_overrides" in spec.engine_args:
        return None
    config = config_of(Path(spec.model))
    return None if config is None else own_context(config)
