"""The models of a fused folder as plain transformers models, for the slow references."""

from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor

from experts.fused.folder.composite import Composite
from experts.fused.folder.fingerprint import check_members
from experts.fused.folder.methods.fusion_route import FusionRoute


def load_members(composite: Composite, folder: Path) -> dict[str, Any]:
    """Name -> causal language model in float32, in the members' order."""
    return {
        name: transformers.AutoModelForCausalLM.from_pretrained(
            place, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        for name, place in check_members(composite, folder).items()
    }


def load_router(composite: FusionRoute, folder: Path) -> tuple[Any, Tensor]:
    """The router LM in float32, and the route head [experts, width of the router]."""
    weights = load_file(folder / "model.safetensors")
    head = weights["route_head.weight"].float()
    own = {
        name.removeprefix("router."): tensor.float()
        for name, tensor in weights.items()
        if name.startswith("router.")
    }
    config = transformers.AutoConfig.for_model(**composite.router)
    architecture = getattr(transformers, config.architectures[0])
    # Not load_state_dict: transformers' modules have other names than their checkpoints.
    model = architecture.from_pretrained(
        None, config=config, state_dict=own, dtype=torch.float32, attn_implementation="eager"
    )
    return model.eval(), head


def seen_by_members(composite: Composite, tokens: list[int]) -> Tensor:
    """[1, tokens] of a request that starts with a role token, as the members see it."""
    first = composite.bos_token_id if tokens[0] in composite.role_token_ids else tokens[0]
    return torch.tensor([[first, *tokens[1:]]])


def role_of(composite: Composite, tokens: list[int]) -> int:
    """The number of the role that the first token asks for."""
    ids = composite.role_token_ids
    return ids.index(tokens[0]) if tokens[0] in ids else 0
