"""A member of a fused expert: where its checkpoint is, and what its own config.json must say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from transformers import CONFIG_MAPPING

from experts.errors import ConfigError

SHAPE = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    "max_position_embeddings",
)
"""Keys that every language model's configuration has."""


class Part(BaseModel):
    """A part of a fused folder's config.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Member(Part):
    """A language model that takes part, served from its own checkpoint."""

    path: str = Field(min_length=1)
    config: dict[str, Any]
    fingerprint: str | None = None
    """Of the checkpoint that trained weights of the composite belong to."""

    @property
    def experts(self) -> int:
        """How many experts a mixture of experts has; 0 for a dense model."""
        names = ("num_local_experts", "num_experts", "n_routed_experts")
        return max(int(self.config.get(name) or 0) for name in names)


def model_config(config: Mapping[str, Any], name: str) -> Any:
    """A member's config.json as transformers reads it.

    Raises ConfigError for anything but a plain language model, and for a quantised checkpoint.
    """
    found = dict(config)
    model_type = found.pop("model_type", None)
    if model_type not in CONFIG_MAPPING:
        raise ConfigError(f"{name} has a model_type unknown to transformers: {model_type}")
    if found.get("quantization_config"):
        raise ConfigError(f"{name} is quantised.", hint="Name the unquantised checkpoint.")
    read_config = CONFIG_MAPPING[model_type].from_dict(found)
    missing = [field for field in SHAPE if getattr(read_config, field, None) is None]
    if missing or not read_config.architectures:
        lacking = ", ".join(missing) or "architectures"
        raise ConfigError(f"{name} is not a plain language model: its config.json lacks {lacking}.")
    return read_config


def member_folder(folder: Path, member: Member) -> Path:
    """Where a member's checkpoint is; its path may be relative to the fused folder."""
    return (folder / member.path).resolve()
