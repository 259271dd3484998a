"""Checks of the folders that experts are loaded from: whether all is there, and whole."""

import json
from pathlib import Path
from typing import Any

from experts.footprint.adapter_rank import adapter_faults
from experts.footprint.checkpoint_files import has_tokenizer, incomplete_weights
from experts.footprint.tensors import misplaced_tensors
from experts.footprint.texts import damaged_files
from experts.spec import HostedSpec, VllmSpec
from experts.vllm.tables.config_fields import field_faults
from experts.vllm.tables.models import config_faults

_WEIGHTS = ("*.safetensors", "*.bin", "*.pt")
_READ_BY_NAME = ("auto", "hf", "safetensors")
"""Values of vLLM's `load_format` that read each tensor of safetensors files by its name."""
_CONVERT = (
    "transformers reads one with the package `gguf` and saves it as safetensors"
    " (docs/guides/your-own-model.md)"
)


def check_weights(name: str, spec: HostedSpec) -> list[str]:
    """What a local folder lacks, each with its path in the configuration."""
    where = f"experts.{name}.model"
    folder = Path(spec.model)
    if getattr(spec, "same_as", None) is not None:
        return []  # Its model is looked at where it is named.
    if not spec.model.strip():
        return [f"{where}: must not be empty; name a folder with weights, or a hub id."]
    if not folder.is_absolute():
        return _check_hub_id(where, spec.model)
    if (fault := _not_a_checkpoint(folder, adapter=spec.base is not None)) is not None:
        return [f"{where}: {fault}"]
    faults = list(incomplete_weights(folder))
    if spec.base is not None and not faults:
        faults += adapter_faults(folder)
    elif not faults:
        faults += _against_config(folder, spec)
    if isinstance(spec, VllmSpec) and _needs_tokenizer(spec) and not has_tokenizer(folder):
        faults.append(
            f"{spec.model} has no tokenizer (tokenizer.json or tokenizer.model); copy it"
            " from where the weights are from, or name its folder in `engine_args: {tokenizer:"
            " ...}`."
        )
    if isinstance(spec, VllmSpec) and _needs_tokenizer(spec):
        own = "chat_template" not in {given.replace("-", "_") for given in spec.engine_args}
        faults += [f"{folder}: {fault}" for fault in damaged_files(folder, templates=own)]
    return [f"{where}: {fault}" for fault in faults]


def _not_a_checkpoint(folder: Path, *, adapter: bool) -> str | None:
    """Why a folder holds nothing that can be loaded as what it should be."""
    config = "adapter_config.json" if adapter else "config.json"
    if not folder.is_dir():
        return f"there is no folder {folder}; correct the path."
    if not any(any(folder.glob(pattern)) for pattern in _WEIGHTS) and any(folder.glob("*.gguf")):
        return f"{folder} has weights in GGUF alone, which vLLM does not read here; {_CONVERT}."
    if not (folder / config).is_file():
        return _other_kind(folder, adapter) or f"{folder} has no {config}."
    try:
        json.loads((folder / config).read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        return f"{folder / config} is not JSON ({error})."
    if not any(any(folder.glob(pattern)) for pattern in _WEIGHTS):
        return f"{folder} has no weights (*.safetensors, *.bin or *.pt)."
    return None


def _other_kind(folder: Path, adapter: bool) -> str | None:
    """What to say of an adapter given as a model, and of a model given as an adapter."""
    if adapter and (folder / "config.json").is_file():
        return (
            f"{folder} is a whole model, not a LoRA adapter (it has config.json, and no"
            " adapter_config.json); leave `adapter_of` out."
        )
    if not adapter and (folder / "adapter_config.json").is_file():
        base = _named_base(folder)
        trained = f", trained on {base}" if base else ""
        return (
            f"{folder} is a LoRA adapter{trained}; add `adapter_of: NAME`, the expert with the"
            " model that it belongs to."
        )
    return None


def _named_base(folder: Path) -> str | None:
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    base = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    return base if isinstance(base, str) and base else None


def _against_config(folder: Path, spec: HostedSpec) -> list[str]:
    """What vLLM would refuse of config.json; if nothing, what the weights tell differently."""
    arguments = spec.engine_args if isinstance(spec, VllmSpec) else {}
    told = {name.replace("-", "_").partition(".")[0]: value for name, value in arguments.items()}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if "hf_overrides" in told or "config_format" in told or "hf_config_path" in told:
        return []
    faults = [f"{folder / 'config.json'}: {fault}" for fault in config_faults(config)]
    if isinstance(config, dict):
        faults += [f"{folder / 'config.json'}: {fault}" for fault in field_faults(config)]
    if faults or str(told.get("load_format", "auto")) not in _READ_BY_NAME:
        return faults
    return [f"{folder}: {fault}" for fault in misplaced_tensors(folder, config)]


def _check_hub_id(where: str, model: str) -> list[str]:
    """Whether a name can be a hub id at all; only the hub knows whether it is one."""
    if model.count("/") <= 1:
        return []
    return [
        f"{where}: {model} is no hub id (OWNER/NAME); write ./{model} for a folder beside this"
        " file, or its whole path."
    ]


def config_of(folder: Path) -> dict[str, Any] | None:
    """The config.json of a local folder; None where there is none that can be read."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) and folder.is_absolute() else None


def _needs_tokenizer(spec: VllmSpec) -> bool:
    """An adapter has its base's; vLLM can be told of another one, or of none."""
    told = {name.replace("-", "_") for name in spec.engine_args}
    return spec.base is None and not told & {"tokenizer", "skip_tokenizer_init"}
