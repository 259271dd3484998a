"""The composites that are checked, written from the zoo's experts, and their references."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from aggregators.contrast.reference import ContrastReference
from aggregators.mixture_of_thoughts.model import MixtureOfThoughts
from aggregators.mixture_of_thoughts.reference import ThoughtsReference
from aggregators.mixture_of_thoughts.save import save
from aggregators.mixture_of_thoughts.training_config import TrainingConfig
from aggregators.self_contrast.reference import SelfContrastReference
from deploy.gpu_check.rig import ZOO
from experts.fused.folder.methods.contrast import Contrast
from experts.fused.folder.methods.fusion_route import FusionRoute
from experts.fused.folder.methods.self_contrast import SelfContrast
from experts.fused.folder.own_weights import TrainedRoute
from experts.fused.folder.write import write_composite
from experts.fused.training.models import load_model
from routers.fusion_route.reference import FusionRouteReference

logging.disable_progress_bar()

ROUTER = "generalist"
ROUTER_WIDTH = 160
GATE = 0.8
"""How loudly the members of a random Mixture of Thoughts hear each other."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A composite and its reference."""

    write: Callable[[Path], None]
    reference: Callable[[Path], Any]
    roles: Sequence[str]
    """The roles that are asked."""


def _write_route(folder: Path) -> None:
    members = {name: ZOO / name for name in ("strings", "geography", "duo")}
    roles: list[dict[str, Any]] = [{"name": "routed"}, {"name": "router", "expert": "none"}]
    roles += [{"name": name, "expert": name, "router_logits": False} for name in members]
    torch.manual_seed(0)
    head = torch.randn(len(members), ROUTER_WIDTH)
    trained = TrainedRoute(ZOO / ROUTER, head)
    write_composite(folder, FusionRoute.architecture, members, roles, trained)


def _write_contrast(folder: Path) -> None:
    members = {name: ZOO / name for name in ("units", "generalist", "logic")}
    roles: Sequence[Mapping[str, Any]] = (
        {"name": "plain", "plus": "units"},
        {"name": "contrast", "plus": "generalist", "minus": [["generalist", "logic"], 0.5],
         "alpha": 0.1},
        {"name": "proxy", "plus": "generalist", "minus": [["units", "logic"], 1.0]},
    )  # fmt: skip
    write_composite(folder, Contrast.architecture, members, roles)


def _write_self_contrast(folder: Path) -> None:
    roles: Sequence[Mapping[str, Any]] = (
        {"name": "plain", "beta": 0},
        {"name": "second", "beta": 0.5, "alpha": 0.1, "rank": 2},
        {"name": "first", "beta": 0.9, "alpha": 0, "rank": 1},
    )
    write_composite(folder, SelfContrast.architecture, {"duo": ZOO / "duo"}, roles)


def _write_thoughts(folder: Path) -> None:
    members = {name: ZOO / name for name in ("arithmetic", "logic", "duo")}
    write_thoughts(
        folder, members, {name: load_model(name, path) for name, path in members.items()},
        {"stacks": 3, "places": (0, 2), "active": 2, "shared_width": 128}, GATE,
    )  # fmt: skip


def write_thoughts(
    folder: Path,
    members: Mapping[str, Path],
    models: Mapping[str, Any],
    shape: Mapping[str, Any],
    gate: float,
) -> None:
    """Write a Mixture of Thoughts with random layers; of `models` only the shapes count."""
    given = {"members": members, "questions": ["none"], "steps": 1, **shape}
    config = TrainingConfig.model_validate(given)
    torch.manual_seed(0)
    mixture = MixtureOfThoughts(
        models, config.stacks, config.interactions, config.shared_width, config.heads,
        dimension=1, form=config.attention,
    )  # fmt: skip
    for name, parameter in mixture.interactions.named_parameters():
        if name.endswith("gate"):
            parameter.data.fill_(gate)
    save(mixture, config, "none", folder, {})


CHECKED: Mapping[str, Checked] = {
    "route": Checked(_write_route, FusionRouteReference, ("routed", "router", "duo")),
    "contrast": Checked(_write_contrast, ContrastReference, ("plain", "contrast", "proxy")),
    "self-contrast": Checked(
        _write_self_contrast, SelfContrastReference, ("plain", "second", "first")
    ),
    "thoughts": Checked(
        _write_thoughts, ThoughtsReference, ("arithmetic+duo", "duo+logic", "logic")
    ),
}


def role_tokens(composite: Any) -> dict[str, int]:
    """Role -> its token."""
    names = [role.name for role in composite.roles]
    return dict(zip(names, composite.role_token_ids, strict=True))
