"""The fused folder: what was trained, and where its members are."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

from experts.errors import ConfigError
from experts.training.models import load_tokenizer
from experts.vllm.composite.config import FusionRoute, member_folder, read
from experts.vllm.composite.fingerprint import fingerprint
from experts.vllm.composite.write import Trained, write_composite
from routers.fusion_route.decode import Chat, FusedPolicy, all_roles
from routers.fusion_route.model import FusionRouter, load_members

WEIGHTS = "model.safetensors"
RECORD = "training.json"


def save(
    model: FusionRouter,
    router: Path,
    members: Mapping[str, Path],
    folder: Path,
    record: Mapping[str, Any],
) -> None:
    """Write the fused folder, the router rounded to float16; it replaces what was there.

    `router` is where the router started from, and its tokenizer is. `record` says how it was
    trained, and is kept beside the weights.
    """
    with tempfile.TemporaryDirectory() as made:
        rounded = Path(made)
        tensors = {name: value.half() for name, value in model.router.state_dict().items()}
        model.router.save_pretrained(rounded, state_dict=tensors)
        path = rounded / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**config, "dtype": "float16"}), encoding="utf-8")
        load_tokenizer(router).save_pretrained(rounded)
        write_composite(
            folder,
            FusionRoute.architecture,
            members,
            [asdict(role) for role in all_roles(tuple(members))],
            Trained(
                router=rounded,
                route_head=model.route_head.weight.detach(),
                members={name: fingerprint(path) for name, path in members.items()},
            ),
        )
    text = json.dumps(dict(record), indent=2, ensure_ascii=False) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")


def load_fused(folder: Path) -> Chat:
    """Load a fused folder, its members and their tokenizer for decoding, in float32.

    Raises ConfigError where the folder, or a member that it names, is not what it says.
    """
    composite = read(folder)
    if not isinstance(composite, FusionRoute):
        raise ConfigError(f"{folder} is a composite of another kind than FusionRoute.")
    own = dict(composite.router)
    config = AutoConfig.for_model(own.pop("model_type"), **own)
    router = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model = FusionRouter(router, len(composite.members))
    tensors = {name: value.float() for name, value in load_file(folder / WEIGHTS).items()}
    missing = sorted(tensors.keys() ^ model.state_dict().keys())
    if missing:
        raise ConfigError(f"{folder / WEIGHTS} does not fit its config: {', '.join(missing)}.")
    model.load_state_dict(tensors)
    places = {name: member_folder(folder, one) for name, one in composite.members.items()}
    changed = [
        name
        for name, one in composite.members.items()
        if one.fingerprint not in (None, fingerprint(places[name]))
    ]
    if changed:
        raise ConfigError(
            f"{folder} was trained with other weights of {', '.join(changed)}.",
            hint="Restore them, or train the router again.",
        )
    # Every member reads the bos token at position 0, so a member's own template serves here.
    tokenizer = load_tokenizer(next(iter(places.values())))
    return Chat(FusedPolicy(model, load_members(places), int(tokenizer.eos_token_id)), tokenizer)
