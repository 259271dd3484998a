"""Checks of the folders that experts are loaded from: whether all is there, and whole."""

import json
from pathlib import Path
from typing import Any

from experts.footprint.checkpoint_files import has_tokenizer, incomplete_weights
from experts.spec import HostedSpec, VllmSpec

_WEIGHTS = ("*.safetensors", "*.bin", "*.pt")


def check_weights(name: str, spec: HostedSpec) -> list[str]:
    """What a local folder lacks, each with its path in the configuration."""
    where = f"experts.{name}.model"
    folder = Path(spec.model)
    if not folder.is_absolute():
        return _check_hub_id(where, spec.model)
    if getattr(spec, "same_as", None) is not None:
        return []  # Its model is looked at where it is named.
    config = "adapter_config.json" if spec.base else "config.json"
    if not folder.is_dir():
        return [f"{where}: there is no folder {spec.model}; correct the path."]
    if not (folder / config).is_file():
        return [f"{where}: {spec.model} has no {config}."]
    try:
        json.loads((folder / config).read_text(encoding="utf-8"))
    except ValueError as error:
        return [f"{where}: {folder / config} is not JSON ({error})."]
    if not any(any(folder.glob(pattern)) for pattern in _WEIGHTS):
        return [f"{where}: {spec.model} has no weights (*.safetensors, *.bin or *.pt)."]
    problems = [f"{where}: {fault}" for fault in incomplete_weights(folder)]
    if isinstance(spec, VllmSpec) and _needs_tokenizer(spec) and not has_tokenizer(folder):
        problems.append(
            f"{where}: {spec.model} has no tokenizer (tokenizer.json or tokenizer.model); copy it"
            " from where the weights are from, or name its folder in `engine_args: {tokenizer:"
            " ...}`."
        )
    return problems


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
