"""The folders that fused experts are made of, and the one of a self-contrast."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experts.errors import ConfigError
from experts.fused.folder.methods.self_contrast import SelfContrast
from experts.fused.folder.write import write_composite
from experts.spec import VllmSpec
from orchestrator.config.model import Config


def folder_of(settings: Config, expert: str) -> Path:
    """The checkpoint of an expert. Raises ConfigError where the configuration has none."""
    spec = settings.experts.get(expert)
    if not isinstance(spec, VllmSpec) or not Path(spec.model).is_dir():
        raise ConfigError(f"The configuration has no expert `{expert}` with a folder of weights.")
    return Path(spec.model)


def write_self_contrast(
    folder: Path, expert: str, weights: Path, roles: Sequence[Mapping[str, Any]]
) -> Path:
    """Write a self-contrast composite of one mixture of experts; the first role is the default."""
    write_composite(folder, SelfContrast.architecture, {expert: weights}, roles)
    return folder
