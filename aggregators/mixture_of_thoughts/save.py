"""Writes the fused folder of a Mixture of Thoughts: interaction layers, roles, query router."""

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aggregators.mixture_of_thoughts.model import MixtureOfThoughts
from aggregators.mixture_of_thoughts.query_router import QueryRouter
from aggregators.mixture_of_thoughts.training_config import TrainingConfig
from experts.errors import ConfigError
from experts.fused.folder.composite import MAX_ROLES
from experts.fused.folder.fingerprint import fingerprint
from experts.fused.folder.methods.mixture_of_thoughts import MixtureOfThoughts as Served
from experts.fused.folder.own_weights import TrainedThoughts
from experts.fused.folder.write import write_composite

RECORD = "training.json"
ROUTER = "query_router.npz"
"""The query router's weights, in a format that vLLM's weight loader ignores."""


def role_name(primary: str, peers: Sequence[str]) -> str:
    """Name the role in which `primary` speaks and attends to `peers`."""
    return "+".join((primary, *sorted(peers)))


def all_roles(
    members: Sequence[str], speakers: Sequence[str], active: int, room: int = MAX_ROLES
) -> list[dict[str, Any]]:
    """Every primary with every set of peers, and every primary alone.

    Raises ConfigError where `room` does not hold them.
    """
    roles = [
        {"name": role_name(primary, peers), "primary": primary, "active": [primary, *peers]}
        for primary in speakers
        for peers in combinations([name for name in members if name != primary], active - 1)
    ]
    roles += [{"name": name, "primary": name, "active": [name]} for name in speakers]
    if len(roles) > room:
        raise ConfigError(
            f"{len(members)} members of which {active} are active make {len(roles)} roles, but"
            f" there is room for {room} only.",
            hint="Fuse fewer members, or let fewer or more of them be active.",
        )
    return roles


def save(
    model: MixtureOfThoughts,
    config: TrainingConfig,
    encoder: str,
    folder: Path,
    record: Mapping[str, Any],
) -> None:
    """Write the fused folder. Raises ConfigError where there is no room for the roles.

    `encoder` names the encoder of the router's embeddings, `record` says how it was trained.
    """
    speakers = [
        name
        for name, tokenizer in zip(model.names, model.tokenizers, strict=True)
        if tokenizer == 0
    ]
    write_composite(
        folder,
        Served.architecture,
        config.members,
        all_roles(model.names, speakers, config.active),
        TrainedThoughts(
            interactions=model.interactions.state_dict(),
            settings={
                "stacks": config.stacks,
                "places": list(config.interactions),
                "shared_width": config.shared_width,
                "heads": config.heads,
                "attention": config.attention,
                "listeners": [name for name in model.names if name not in speakers],
            },
            members={name: fingerprint(path) for name, path in config.members.items()},
        ),
        config.role_tokens,
    )
    write_router(folder / ROUTER, model.router, model.names, speakers, config.active, encoder)
    text = json.dumps(dict(record), indent=2, ensure_ascii=False) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")


def write_router(
    path: Path,
    router: QueryRouter,
    members: Sequence[str],
    speakers: Sequence[str],
    active: int,
    encoder: str,
) -> None:
    """Write the query router as arrays that can be read without torch."""
    arrays: dict[str, Any] = {
        "active": np.array(active),
        "encoder": np.array(encoder),
        "members": np.array(list(members)),
        "speakers": np.array(list(speakers)),
    }
    layers = [layer for layer in router.layers if isinstance(layer, torch.nn.Linear)]
    for number, layer in enumerate(layers):
        # Readers of the file multiply embeddings without scaling them.
        scale = router.scale if number == 0 else 1.0
        arrays[f"weight_{number}"] = scale * layer.weight.detach().numpy()
        arrays[f"bias_{number}"] = layer.bias.detach().numpy()
    np.savez(path, **arrays)
