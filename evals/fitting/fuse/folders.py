"""The folders that fused experts are made of, and the one of a self-contrast."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from aggregators.mixture_of_thoughts.training_config import TrainingConfig as ThoughtsConfig
from evals.client.progress import Progress
from experts.errors import ConfigError
from experts.fused.folder.adapters import merge_adapters
from experts.fused.folder.methods.self_contrast import SelfContrast
from experts.fused.folder.write import write_composite
from experts.spec import VllmSpec
from orchestrator.config.model import Config
from routers.fusion_route.training_config import TrainingConfig as RouteConfig

Run = TypeVar("Run", RouteConfig, ThoughtsConfig)


def folder_of(settings: Config, expert: str) -> Path:
    """The checkpoint of an expert. Raises ConfigError where the configuration has none."""
    spec = settings.experts.get(expert)
    if not isinstance(spec, VllmSpec) or not Path(spec.model).is_dir():
        raise ConfigError(f"The configuration has no expert `{expert}` with a folder of weights.")
    return Path(spec.model)


def base_of(settings: Config, expert: str) -> dict[str, str]:
    """An expert that is a LoRA adapter, with its base's checkpoint; empty for any other.

    Raises ConfigError as `folder_of` does.
    """
    base = settings.hosted()[expert].base
    return {} if base is None else {expert: str(folder_of(settings, base))}


def with_whole_members(config: Run, out: Path, progress: Progress) -> Run:
    """A training whose members are whole models: adapters are merged below `out`.

    Raises ConfigError for one that cannot be merged.
    """
    members = merge_adapters(config.members, config.adapter_of, out, progress.say)
    return config.model_copy(update={"members": members})


def write_self_contrast(
    folder: Path,
    expert: str,
    weights: Path,
    roles: Sequence[Mapping[str, Any]],
    adapter_of: Mapping[str, str] | None = None,
    role_tokens: Sequence[str] = (),
) -> Path:
    """Write a self-contrast composite of one mixture of experts; the first role is the default.

    `adapter_of` is empty or names the base of an expert that is a LoRA adapter; `role_tokens` are
    the tokens that stand for the roles, none: free ones are found. Raises ConfigError.
    """
    members = merge_adapters({expert: weights}, adapter_of or {}, folder, lambda line: None)
    write_composite(folder, SelfContrast.architecture, members, roles, role_tokens=role_tokens)
    return folder
