"""The trained weights that a fused folder holds besides those of its members."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from experts.errors import ConfigError
from experts.fused.folder.composite import Composite
from experts.fused.folder.fingerprint import weight_files
from experts.fused.folder.methods.fusion_route import FusionRoute
from experts.fused.folder.methods.mixture_of_thoughts import MixtureOfThoughts

_HEAD = "route_head.weight"


@dataclass(frozen=True, slots=True)
class TrainedRoute:
    """The trained part of a FusionRoute composite."""

    router: Path
    """Folder of the router LM's checkpoint."""
    route_head: Tensor
    """[experts, width of the router], experts in the order of the members."""
    members: Mapping[str, str] = field(default_factory=dict)
    """Member -> `fingerprint` of the checkpoint that it was trained with, where that is known."""


@dataclass(frozen=True, slots=True)
class TrainedThoughts:
    """The trained part of a Mixture of Thoughts composite."""

    interactions: Mapping[str, Tensor]
    """Weights of the interaction layers, by their names under `interactions.`."""
    settings: Mapping[str, Any]
    """stacks, places, shared_width and heads, as in `methods/mixture_of_thoughts.py`."""
    members: Mapping[str, str]
    """Member -> `fingerprint`, as in `TrainedRoute`."""


TrainedPart = TrainedRoute | TrainedThoughts
TRAINED: Mapping[type[Composite], type] = {
    FusionRoute: TrainedRoute,
    MixtureOfThoughts: TrainedThoughts,
}
"""The composites that have weights of their own; all others have none."""


def own_weights(trained: TrainedPart | None) -> dict[str, Tensor]:
    """The tensors of a fused folder's own checkpoint, by name; none without a trained part.

    Raises ConfigError for a router whose weights are not in safetensors files.
    """
    if trained is None:
        return {}
    if isinstance(trained, TrainedThoughts):
        return {
            f"interactions.{name}": tensor.detach().to("cpu", torch.float32).contiguous()
            for name, tensor in trained.interactions.items()
        }
    weights = {_HEAD: trained.route_head.detach().to("cpu", torch.float32).contiguous()}
    for path in weight_files(trained.router):
        if path.suffix != ".safetensors":
            raise ConfigError(f"The router's weights must be safetensors, not {path.name}.")
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no dict
                weights[f"router.{name}"] = tensors.get_tensor(name)
    return weights
